// Missing: which figures there are not, where and when, each with its reason: of one category, and of the whole dataset.

import { h, scrolling } from '../dom.js'
import { counted, written } from '../numbers.js'
import { short } from '../periods.js'
import { groups, note, whyMissing } from '../parts.js'

const ALL = ''

const sum = rows => rows.reduce((total, { cells }) => total + cells, 0)

/** How many cells lack a number, by area and year. */
function grid(context, rows, title) {
  const years = [...new Set(rows.map(row => row.year))].sort((a, b) => b - a)
  const found = groups(rows, row => `${row.area} ${row.year}`)
  const most = Math.max(...[...found.values()].map(sum))
  const areas = context.index.areas.filter(area => rows.some(row => row.area === area.id))
  const cell = (area, year) => {
    const of = found.get(`${area.id} ${year}`)
    if (!of) return h('td', {}, h('span', { 'aria-hidden': 'true' }, '·'), h('span', { class: 'heard' }, 'none'))
    const why = [...groups(of, row => row.status)].map(([status, rows]) => `${written(sum(rows))} ${status}`).join(', ')
    return h('td', { class: sum(of) > most / 2 ? 'many' : 'some', title: why }, written(sum(of)), h('span', { class: 'heard' }, ` (${why})`))
  }
  return scrolling(title, h('table', { class: 'wide grid-of-missing' },
    h('caption', { class: 'heard' }, title),
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Area'), years.map(year => h('th', { scope: 'col', class: 'number' }, String(year))))),
    h('tbody', {}, areas.map(area => h('tr', { 'data-area': area.id }, h('th', { scope: 'row' }, area.name), years.map(year => cell(area, year)))))))
}

/** Which cells of this measure and category lack a number, area by period. */
function ofCategory(context, rows) {
  const missing = rows.filter(row => row.value === null)
  if (!missing.length) return note(`Every figure of ${context.what} is there: ${counted(rows.length, 'number')}.`)
  return [h('p', {}, `${counted(missing.length, 'figure')} of ${written(rows.length)} ${missing.length === 1 ? 'is' : 'are'} missing.`), whyMissing(context, missing)]
}

export async function render(context) {
  const { dataset } = context
  const heading = context.heading('What is missing, and why', `${short(dataset.first)} to ${short(dataset.last)}`)
  const rows = context.areas.flatMap(area => context.periods.flatMap(period => context.rows([area], period))).filter(row => row.cell)
  const every = await context.set.missing(dataset)
  const statuses = [...groups(every, row => row.status)].map(([status, of]) => ({ status, cells: sum(of) })).sort((a, b) => b.cells - a.cells)

  const place = h('div')
  const chosen = { status: ALL, measure: ALL }
  const draw = () => {
    const of = every.filter(row => [ALL, row.measure].includes(chosen.measure) && [ALL, row.status].includes(chosen.status))
    const title = `Figures without a number by area and year${chosen.status ? `, ${chosen.status}` : ''}`
    place.replaceChildren(of.length ? grid(context, of, title) : note('No figure is missing for this reason.'))
  }
  const select = (key, label, options) => h('label', {}, `${label} `, h('select', { onchange: event => { chosen[key] = event.target.value; draw() } }, options.map(([id, text]) => h('option', { value: id }, text))))
  const published = dataset.measures.filter(each => every.some(row => row.measure === each.id))
  if (every.length) draw()
  return {
    heading, seen: context.file(rows.filter(row => row.value === null)),
    node: h('div', {},
      ofCategory(context, rows),
      h('section', {}, h('h3', {}, `All of the dataset: ${dataset.title}`),
        every.length
          ? [
            note('Published figures of all categories, as they are held now. What is derived is missing where these are.'),
            h('dl', { class: 'why' }, statuses.flatMap(({ status, cells }) => [
              h('dt', {}, h('code', {}, status), ` ${context.index.statuses[status] ?? ''}`), h('dd', {}, counted(cells, 'figure'))])),
            h('div', { class: 'filters' },
              select('status', 'Reason', [[ALL, 'every reason'], ...statuses.map(({ status }) => [status, status])]),
              select('measure', 'Measure', [[ALL, 'all published measures'], ...published.map(each => [each.id, each.title])])),
            place,
          ]
          : note(`Every published figure of ${dataset.title} is there.`))),
  }
}
