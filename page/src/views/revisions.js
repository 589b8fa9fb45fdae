// Revisions: what was known of one area at each extract, and the largest changes from one extract to the next.

import { asKnown, changes } from '../cells.js'
import { h, scrolling } from '../dom.js'
import { lineChart } from '../lines.js'
import { dayInWords, inWords, short } from '../periods.js'
import { counted, signed } from '../numbers.js'
import { groups, note, plainTable } from '../parts.js'
import { notOverTime } from './line.js'

const MOST_LINES = 9
const MOST_CHANGES = 20
const LEAD = 4

const released = extract => dayInWords(extract.released ?? extract.extract)

export async function render(context) {
  const { dataset, measure, state } = context
  const chosen = context.areas.find(area => area.id === state.areas[0])
  const area = chosen ?? context.totals[0] ?? context.states[0]
  const heading = context.heading(area?.name, 'What was known when')
  if (!area) return { heading, seen: null, node: note('There is no such figure, so nothing was revised.') }
  if (!context.movesInTime) {
    return { heading, seen: null, node: note('Of this measure the page has only what is held now, so it cannot say what was known when.') }
  }
  const history = await context.set.history(dataset, measure.id, context.category.id)
  const knowledge = dataset.extracts.map((_, number) => asKnown(measure.id, history, number))
  const until = dataset.extracts.slice(0, context.known + 1)
  const shown = until.map((extract, number) => ({ extract, number }))
    .filter(({ number }) => knowledge[number].of(measure.id, area.id).size > 0).slice(-MOST_LINES)

  // lines of vintages lie on each other where nothing was revised: the chart begins shortly before
  const valueAt = (number, period) => knowledge[number].at(measure.id, area.id, period)
  const series = shown.map(({ extract, number }) => ({
    label: number === context.known ? extract.extract : '', title: `known on ${released(extract)}`, number,
    style: `vintage-${number === context.known ? 'now' : Math.max(0, 7 - (context.known - number))}`,
    values: new Map(context.since.map(period => [period, valueAt(number, period)?.value ?? null])),
  }))
  const span = `${inWords(context.since[0])} to ${inWords(context.since.at(-1))}`
  const isRevised = period => new Set(shown.map(({ number }) => valueAt(number, period)).filter(Boolean).map(cell => `${cell.value} ${cell.status}`)).size > 1
  const cell = (number, period) => {
    const found = valueAt(number, period)
    if (!found) return h('td', { class: 'number missing' }, h('span', { 'aria-hidden': 'true' }, '·'), h('span', { class: 'heard' }, 'not published then'))
    const before = shown.findLast(each => each.number < number)
    const was = before && valueAt(before.number, period)
    const isNew = was && (was.value !== found.value || was.status !== found.status)
    return h('td', { class: `number${isNew ? ' changed' : ''}${found.value === null ? ' missing' : ''}`, title: found.value === null ? context.reason(found) : undefined },
      found.value === null ? found.status : context.write(found.value), isNew && h('span', { class: 'heard' }, ' changed'))
  }
  const first = context.since.findIndex(isRevised)
  const drawn = first > LEAD ? context.since.slice(first - LEAD) : context.since
  const newestFirst = [...context.since].reverse()
  const vintages = scrolling('What was known at each extract', h('table', { class: 'wide' },
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Period'), [...shown].reverse().map(({ extract }) => h('th', { scope: 'col', class: 'number' }, extract.extract)))),
    h('tbody', {}, newestFirst.map(period => h('tr', { class: isRevised(period) ? 'revised' : undefined },
      h('th', { scope: 'row' }, short(period)), [...shown].reverse().map(({ number }) => cell(number, period)))))))

  const before = context.known > 0 ? knowledge[context.known - 1] : null
  const found = before ? changes(before, knowledge[context.known], measure.id, context.areas.map(area => area.id), context.periods) : []
  const revised = found.filter(each => each.kind === 'revised')
  const size = each => (each.was.value ? Math.abs(each.by / each.was.value) : Math.abs(each.by))
  const largest = [...revised].sort((a, b) => size(b) - size(a)).slice(0, MOST_CHANGES)
  const counts = [...groups(found, each => each.kind)].map(([kind, of]) => `${counted(of.length, 'figure')} ${kind}`)

  const seen = {
    columns: ['area', 'fips', 'period', 'known_extract', 'known_released', 'value', 'unit', 'status'],
    rows: shown.flatMap(({ extract, number }) => context.since.filter(period => valueAt(number, period)).map(period => [
      area.name, area.id, period, extract.extract, extract.released ?? '', context.plain(valueAt(number, period).value), context.unit, valueAt(number, period).status,
    ])),
  }
  return {
    heading, seen,
    node: h('div', {},
      !chosen && note(`No area is chosen: this shows ${area.name}. Choose one above.`),
      shown.length < 2 && note(`One extract of ${dataset.title} has such figures so far, so there is nothing to compare it with. Each new release adds one.`),
      measure.why_no_line ? notOverTime(context) : h('section', {}, h('h3', {}, `${area.name}, a line for each extract`),
        drawn.length < context.since.length && note(`Before ${short(drawn[LEAD])} nothing was revised, so the lines begin shortly before; the table below has all.`),
        lineChart({
          series, periods: drawn, width: context.width, write: value => context.write(value),
          said: (each, period) => (valueAt(each.number, period) ? `missing (${context.reason(valueAt(each.number, period))})` : 'not published then'),
          label: `${context.what}, ${area.name}, ${span}, one line for each extract`,
        })),
      h('section', {}, h('h3', {}, 'What was known, extract by extract'), note('A marked figure differs from the one that was known before it.'), vintages),
      before && h('section', {}, h('h3', {}, `What changed between ${released(dataset.extracts[context.known - 1])} and ${released(context.extract)}`),
        h('p', {}, counts.length ? `Of this measure and category in all areas and periods: ${counts.join(', ')}.` : 'Nothing of this measure and category changed.'),
        largest.length > 0 && plainTable('Largest revisions', ['Area', 'Period', 'Before', 'After', 'Difference', 'In %'],
          largest.map(each => [context.area(each.area)?.name ?? each.area, short(each.period), context.write(each.was.value), context.write(each.is.value),
            context.difference(each.by), each.was.value ? signed((100 * each.by) / Math.abs(each.was.value), 2) : '—']), { numbers: [2, 3, 4, 5] }))),
  }
}
