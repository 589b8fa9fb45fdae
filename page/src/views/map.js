// Map: one measure of one category in one period, in classes; what is missing is hatched and said.

import shapes from 'virtual:states'
import { bounds, classOf, classesOf } from '../classes.js'
import { ranked } from '../cells.js'
import { h, s } from '../dom.js'
import { counted } from '../numbers.js'
import { inWords } from '../periods.js'
import { asTable, note, plainTable, totalsApart, whyMissing } from '../parts.js'

const [WIDTH, HEIGHT] = [9750, 6100]
const REACH = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }

/** The nearest shape in a direction: what lies straight ahead counts more than what lies aside. */
export function neighbour(from, key, all = shapes) {
  const [dx, dy] = REACH[key]
  let best = null
  for (const each of all) {
    const [x, y] = [each.at[0] - from.at[0], each.at[1] - from.at[1]]
    const ahead = x * dx + y * dy
    const aside = Math.abs(x * dy) + Math.abs(y * dx)
    if (ahead <= 0 || aside > 2 * ahead) continue
    const far = ahead + 2 * aside
    if (!best || far < best.far) best = { each, far }
  }
  return best?.each ?? from
}

export function render(context) {
  const { state, measure } = context
  const heading = context.heading(context.states.length > 1 ? `${context.states.length} states and the District of Columbia`.replace('51 states and', '50 states and') : '', state.period)
  const rows = context.rows(context.states)
  const all = [...rows, ...context.rows(context.totals)]
  const seen = context.file(all)
  if (!context.states.length) {
    return { heading, seen, node: h('div', {}, note('These figures are not published for states, so there is no map of them.'), totalsApart(context)) }
  }
  const classes = classesOf(rows.map(row => row.value))
  const places = new Map(ranked(rows).map(row => [row.area.id, row.rank]))
  const reported = places.size
  const byFips = new Map(rows.map(row => [row.area.id, row]))
  const of = ({ area, cell, value }) =>
    value === null ? `missing: ${context.reason(cell)}` : `${context.full(value)}, ${places.get(area.id)} of ${reported} (largest first)`

  const readout = h('p', { class: 'readout' }, 'Point at a state, or reach the map by Tab and move by arrow keys; Enter adds the state to the lines.')
  const chosen = new Set(state.areas)
  const drawn = shapes.filter(shape => byFips.has(shape.fips)).map(shape => {
    const row = byFips.get(shape.fips)
    const step = row.value === null ? 'missing' : `${classes.kind}-${classOf(classes, row.value)}`
    const node = s('path', {
      d: shape.d, class: `state ${step}${chosen.has(row.area.id) ? ' chosen' : ''}`, role: 'button', tabindex: -1,
      'aria-pressed': chosen.has(row.area.id) ? 'true' : 'false', 'aria-label': `${row.area.name}: ${of(row)}`, 'data-area': row.area.id,
    })
    return { ...shape, row, node }
  })
  const tell = ({ row }) => readout.replaceChildren(h('strong', {}, row.area.name), ` ${of(row)}`)
  const toggle = ({ row }) => context.go({ areas: chosen.has(row.area.id) ? state.areas.filter(id => id !== row.area.id) : [...state.areas, row.area.id] }, { focus: `[data-area="${row.area.id}"]` })
  const found = node => drawn.find(each => each.node === node)
  if (drawn.length) (drawn.find(each => chosen.has(each.row.area.id)) ?? drawn[0]).node.setAttribute('tabindex', 0)

  const map = s('svg', {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: 'map', role: 'group',
    'aria-label': `Map of states, ${context.what}, ${inWords(state.period)}. Arrow keys move between states.`,
  },
  s('defs', {}, s('pattern', { id: 'hatch', width: 110, height: 110, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' },
    s('rect', { width: 110, height: 110, class: 'hatch-ground' }), s('rect', { width: 38, height: 110, class: 'hatch-line' }))),
  drawn.map(each => each.node))
  map.addEventListener('pointerover', event => { const each = found(event.target); if (each) tell(each) })
  map.addEventListener('focusin', event => { const each = found(event.target); if (each) tell(each) })
  map.addEventListener('click', event => { const each = found(event.target); if (each) toggle(each) })
  map.addEventListener('keydown', event => {
    const each = found(event.target)
    if (!each) return
    if (event.key === 'Enter' || event.key === ' ') toggle(each)
    else if (event.key in REACH) {
      const next = neighbour(each, event.key, drawn)
      each.node.setAttribute('tabindex', -1)
      next.node.setAttribute('tabindex', 0)
      next.node.focus()
    } else return
    event.preventDefault()
  })

  const missing = rows.filter(row => row.value === null).length
  const legend = h('ul', { class: 'legend', 'aria-label': 'Classes of the map' },
    classes.kind !== 'none' && bounds(classes).filter(each => each.count).map(({ from, to, count, step }) => h('li', {},
      h('span', { class: `swatch ${classes.kind}-${step}` }),
      h('span', {}, from === to ? context.write(from) : `${context.write(from)} to ${context.write(to)}`),
      h('span', { class: 'also' }, counted(count, 'state')))),
    missing > 0 && h('li', {}, h('span', { class: 'swatch hatched' }), h('span', {}, 'no figure'), h('span', { class: 'also' }, counted(missing, 'state'))))

  const hint = measure.adds_up_over.includes('areas')
    ? note('These are sums: where more people live, there is more of everything. A measure per person compares states.') : null
  const newest = context.cells.newest(measure.id, context.states.map(area => area.id))
  const nothing = classes.kind === 'none' && newest !== null
    ? note(`No state has a figure of ${inWords(state.period)}. `, h('a', { href: context.href({ period: newest }) }, `Show ${inWords(newest)}, the newest with figures.`)) : null
  return { heading, seen, node: h('div', {}, nothing, h('figure', { class: 'drawing' }, readout, map, h('figcaption', {}, legend)), hint, whyMissing(context, rows),
    asTable('Figures of this map as a table', plainTable('Figures of this map', ['State', context.unit, 'Place'], rows.map(({ area, value, cell }) =>
      [area.name, value === null ? h('span', { class: 'missing', title: context.reason(cell) }, 'missing') : context.write(value), places.get(area.id) ? String(places.get(area.id)) : '—']), { numbers: [1, 2] })),
    totalsApart(context)) }
}
