// Table: every area in every period since a chosen one, newest first; totals in a part of their own.

import { h, scrolling } from '../dom.js'
import { inWords, short } from '../periods.js'
import { figure, note, whyMissing } from '../parts.js'

export function render(context) {
  const { measure } = context
  const periods = [...context.since].reverse()
  const heading = context.heading('All areas', `${inWords(periods.at(-1))} to ${inWords(periods[0])}`)
  const part = (title, areas) => areas.length > 0 && h('tbody', {},
    h('tr', { class: 'part' }, h('th', { scope: 'rowgroup', colspan: periods.length + 1 }, h('span', {}, title))),
    areas.map(area => h('tr', { 'data-area': area.id }, h('th', { scope: 'row' }, area.name), periods.map(period => figure(context, context.at(area, period))))))
  const rows = [...context.states, ...context.totals].flatMap(area => periods.flatMap(period => context.rows([area], period)))
  return {
    heading, seen: context.file(rows),
    node: h('div', {},
      measure.why_no_line && note(`Compare areas within a column, not one area over the years. ${measure.why_no_line}.`),
      scrolling('Figures by area and period', h('table', { class: 'wide' },
        h('caption', { class: 'heard' }, `${context.what}, ${heading.under}`),
        h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Area'), periods.map(period => h('th', { scope: 'col', class: 'number' }, short(period))))),
        part('States', context.states), part('The nation and its regions: never added to the states, or ranked with them', context.totals))),
      whyMissing(context, rows)),
  }
}
