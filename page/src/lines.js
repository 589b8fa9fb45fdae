// A line chart: any number of series over the same periods, labelled at their ends, read point by point with arrow keys.

import { extent, tickStep, ticks } from 'd3-array'
import { scaleLinear } from 'd3-scale'
import { line } from 'd3-shape'
import { freshId, h, s } from './dom.js'
import { inWords, isMonth, short } from './periods.js'
import { tick } from './numbers.js'

const LABEL_HEIGHT = 15

/** Labels one below the other where their lines end too near each other. */
export function spread(wanted, least, most, height = LABEL_HEIGHT) {
  const placed = wanted.map((y, at) => ({ y, at })).sort((a, b) => a.y - b.y)
  placed.forEach((each, at) => { if (at) each.y = Math.max(each.y, placed[at - 1].y + height) })
  const over = placed.length ? placed.at(-1).y - most : 0
  if (over > 0) {
    placed.at(-1).y -= over
    for (let at = placed.length - 2; at >= 0; at -= 1) placed[at].y = Math.min(placed[at].y, placed[at + 1].y - height)
  }
  return placed.sort((a, b) => a.at - b.at).map(each => Math.max(each.y, least))
}

/** The periods that the axis names, as many as have room. */
export function named(periods, room) {
  const candidates = isMonth(periods[0]) && periods.length > 14 ? periods.filter(period => period % 100 === 1) : periods
  const every = Math.max(1, Math.ceil(candidates.length / room))
  return candidates.filter((_, at) => (candidates.length - 1 - at) % every === 0)
}

/**
 * The chart. Series: {label, title, style (a class), values: Map of period to number or null}; `write` puts a number in
 * words with its unit, `said(series, period)` says why one is missing.
 */
export function lineChart({ series, periods, write, said, label, width }) {
  const narrow = width < 560
  const height = narrow ? 280 : 400
  const longest = Math.max(...series.map(each => each.label.length), 2)
  const [top, bottom, right] = [16, height - 30, width - Math.min(16 + longest * 9, width / 3)]
  const values = series.flatMap(each => periods.map(period => each.values.get(period)).filter(value => value !== null && value !== undefined))
  const [least, most] = values.length ? extent(values) : [0, 1]
  const pad = least === most ? Math.abs(least) * 0.05 || 1 : 0
  const y = scaleLinear([least - pad, most + pad], [bottom, top]).nice(5)
  const yTicks = ticks(...y.domain(), narrow ? 4 : 6)
  const step = tickStep(...y.domain(), narrow ? 4 : 6)
  const left = 14 + 7.8 * Math.max(...yTicks.map(value => tick(value, step).length))
  const x = scaleLinear([0, Math.max(periods.length - 1, 1)], [left, right])
  const place = new Map(periods.map((period, at) => [period, x(periods.length === 1 ? 0.5 : at)]))
  const has = each => period => each.values.get(period) !== null && each.values.get(period) !== undefined

  const axes = s('g', { class: 'axes' },
    yTicks.map(value => [
      s('line', { x1: left, x2: right, y1: y(value), y2: y(value), class: value === 0 && least < 0 ? 'zero' : 'grid' }),
      s('text', { x: left - 8, y: y(value), dy: '0.32em', 'text-anchor': 'end' }, tick(value, step)),
    ]),
    named(periods, narrow ? 4 : 9).map(period => [
      s('line', { x1: place.get(period), x2: place.get(period), y1: bottom, y2: bottom + 5, class: 'grid' }),
      s('text', { x: place.get(period), y: bottom + 20, 'text-anchor': 'middle' }, isMonth(period) && period % 100 === 1 && periods.length > 14 ? String(Math.floor(period / 100)) : short(period)),
    ]))

  const drawn = series.map(each => {
    const path = line().defined(has(each)).x(period => place.get(period)).y(period => y(each.values.get(period)))(periods)
    const alone = periods.filter((period, at) => has(each)(period) && !(at && has(each)(periods[at - 1])) && !(at < periods.length - 1 && has(each)(periods[at + 1])))
    return s('g', { class: `series ${each.style}` },
      s('path', { d: path ?? '' }), alone.map(period => s('circle', { cx: place.get(period), cy: y(each.values.get(period)), r: 3 })))
  })
  const ends = series.map(each => periods.findLast(has(each))).map((period, at) => (period === undefined ? null : { period, at }))
    .filter(Boolean).filter(({ at }) => series[at].label)
  const heights = spread(ends.map(({ period, at }) => y(series[at].values.get(period))), top, bottom)
  const labels = ends.map(({ at }, order) => s('text', { x: right + 8, y: heights[order], dy: '0.32em', class: `end ${series[at].style}` }, series[at].label))

  const cross = s('line', { class: 'cross', y1: top, y2: bottom, visibility: 'hidden' })
  const dots = series.map(each => s('circle', { class: `dot ${each.style}`, r: 4, visibility: 'hidden' }))
  const readout = h('p', { class: 'readout' })
  const id = freshId('chart')
  const text = period => `${inWords(period)}: ${series.map(each => `${each.title}: ${has(each)(period) ? write(each.values.get(period)) : said(each, period)}`).join('; ')}`
  const svg = s('svg', { viewBox: `0 0 ${width} ${height}`, width, height, 'aria-hidden': 'true' }, axes, drawn, labels, cross, dots)
  const reader = h('div', {
    class: 'chart', id, tabindex: 0, role: 'slider', 'aria-label': `${label}. Arrow keys read it period by period.`,
    'aria-valuemin': 0, 'aria-valuemax': periods.length - 1,
  }, svg)

  let at = periods.length - 1
  const read = (next, drawnToo = true) => {
    at = Math.max(0, Math.min(periods.length - 1, next))
    const period = periods[at]
    reader.setAttribute('aria-valuenow', at)
    reader.setAttribute('aria-valuetext', text(period))
    readout.replaceChildren(h('strong', {}, inWords(period)), ...series.slice(0, 9).flatMap(each => [
      ' ', h('span', { class: `key ${each.style}` }, each.title), ': ', has(each)(period) ? write(each.values.get(period)) : said(each, period), ';']).slice(0, -1), '.')
    if (!drawnToo) return
    cross.setAttribute('x1', place.get(period))
    cross.setAttribute('x2', place.get(period))
    cross.setAttribute('visibility', 'visible')
    dots.forEach((dot, index) => {
      const shown = has(series[index])(period)
      dot.setAttribute('visibility', shown ? 'visible' : 'hidden')
      if (shown) {
        dot.setAttribute('cx', place.get(period))
        dot.setAttribute('cy', y(series[index].values.get(period)))
      }
    })
  }
  read(at, false)
  reader.addEventListener('keydown', event => {
    const to = { ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1, Home: 0, End: periods.length - 1, PageUp: at + 10, PageDown: at - 10 }[event.key]
    if (to === undefined) return
    event.preventDefault()
    read(to)
  })
  reader.addEventListener('focus', () => read(at))
  reader.addEventListener('pointermove', event => {
    const box = svg.getBoundingClientRect()
    read(Math.round(x.invert(((event.clientX - box.left) * width) / box.width)))
  })
  return h('figure', { class: 'drawing' }, readout, reader)
}
