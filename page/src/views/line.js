// Line: chosen areas over time. States together, the nation and regions in a chart of their own.

import { h } from '../dom.js'
import { inWords, short } from '../periods.js'
import { lineChart } from '../lines.js'
import { asTable, note, plainTable, whyMissing } from '../parts.js'

/** Without a choice: the states with the largest, the middle and the smallest figure of the period. */
function atFirst(context) {
  const reported = context.rows(context.states).filter(row => row.value !== null).sort((a, b) => b.value - a.value)
  const places = [0, Math.floor((reported.length - 1) / 2), reported.length - 1]
  return [...new Set(places)].filter(at => reported[at]).map(at => reported[at].area)
}

/** Why this measure is not drawn over time, and what answers instead. */
export function notOverTime(context) {
  const others = context.measures.filter(each => !each.why_no_line)
  return h('div', { class: 'refusal' },
    h('p', {}, `${context.title} is not drawn over the years. ${context.measure.why_no_line}.`),
    h('p', {}, 'It compares areas within one period: ', h('a', { href: context.href({ view: 'map' }) }, 'map'), ' or ', h('a', { href: context.href({ view: 'ranking' }) }, 'ranking'), '.'),
    others.length > 0 && h('p', {}, 'Over the years there is: ', others.slice(0, 6).flatMap((each, at) => [at ? ', ' : '', h('a', { href: context.href({ measure: each.id }) }, each.title)]), '.'))
}

export function render(context) {
  const { state, measure } = context
  const since = context.sinceAsKnown
  const isChosen = state.areas.length > 0
  const areas = isChosen ? context.areas.filter(area => state.areas.includes(area.id)) : atFirst(context)
  const ordered = isChosen ? state.areas.map(id => areas.find(area => area.id === id)).filter(Boolean) : areas
  const totals = isChosen ? ordered.filter(area => area.level !== 'state') : context.totals.slice(0, 1)
  const states = ordered.filter(area => area.level === 'state')
  const span = `${inWords(since[0])} to ${inWords(since.at(-1))}`
  const heading = context.heading([...states, ...totals].map(area => area.name).join(', '), span)
  if (measure.why_no_line) {
    return { heading: context.heading('', ''), seen: null, node: notOverTime(context) }
  }
  const rows = [...states, ...totals].flatMap(area => since.flatMap(period => context.rows([area], period)))
  const chart = (of, title) => of.length > 0 && h('section', {}, h('h3', {}, title), lineChart({
    series: of.map(area => ({
      label: context.brief(area.id), title: area.name, style: `tone-${isChosen ? state.areas.indexOf(area.id) : of.indexOf(area)}`, area,
      values: new Map(since.map(period => [period, context.at(area, period)?.value ?? null])),
    })),
    periods: since, width: context.width, write: value => context.write(value),
    said: (series, period) => `missing (${context.reason(context.at(series.area, period))})`,
    label: `${context.what}, ${of.map(area => area.name).join(', ')}, ${span}, ${context.unit}`,
  }))
  const without = state.areas.filter(id => !areas.some(area => area.id === id))
  const table = plainTable('Figures of this chart', ['Period', ...[...states, ...totals].map(area => area.name)],
    [...since].reverse().map(period => [short(period), ...[...states, ...totals].map(area => {
      const cell = context.at(area, period)
      return cell?.value === null || cell?.value === undefined ? h('span', { class: 'missing', title: context.reason(cell) }, 'missing') : context.write(cell.value)
    })]), { numbers: [...states, ...totals].map((_, at) => at + 1) })
  return {
    heading, seen: context.file(rows),
    node: h('div', {},
      !isChosen && context.states.length > 0 && note(`No area is chosen: this shows the states with the largest, the middle and the smallest figure of ${inWords(state.period)}. Choose areas above.`),
      without.length > 0 && note(`Of ${without.map(id => context.area(id)?.name ?? id).join(', ')} there is no such figure.`),
      chart(states, totals.length > 0 ? 'States' : 'Over time'), chart(totals, 'The nation and its regions, on a scale of their own'),
      whyMissing(context, rows), asTable('Figures of this chart as a table', table)),
  }
}
