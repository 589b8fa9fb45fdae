// Parts that several views show: totals apart, what is missing and why, notes.

import { h, scrolling } from './dom.js'
import { spans } from './periods.js'

export const note = (...children) => h('p', { class: 'note' }, ...children)

/** A figure, or the dash of a missing one with its reason for whoever points at it or hears it. */
export function figure(context, cell, { number = context.write(cell?.value ?? 0) } = {}) {
  if (cell?.value !== null && cell?.value !== undefined) return h('td', { class: 'number' }, number)
  const reason = context.reason(cell)
  return h('td', { class: 'number missing', title: reason }, h('span', { 'aria-hidden': 'true' }, '—'), h('span', { class: 'heard' }, `missing: ${reason}`))
}

/** The nation and regions by themselves: they contain the states, and no scale or ranking has both. */
export function totalsApart(context, period) {
  const rows = context.rows(context.totals, period)
  if (!rows.length) return null
  return h('section', { class: 'apart' },
    h('h3', {}, 'The nation and its regions'),
    context.states.length > 0 && note('They contain the states, so they stand apart from them.'),
    h('table', { class: 'plain totals' },
      h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Area'), h('th', { scope: 'col', class: 'number' }, context.unit))),
      h('tbody', {}, rows.map(({ area, cell }) => h('tr', { 'data-area': area.id }, h('th', { scope: 'row' }, area.name), figure(context, cell))))))
}

/** Missing figures by reason: [{area, period, cell}] as a list of sentences. */
export function whyMissing(context, rows) {
  const missing = rows.filter(({ value }) => value === null)
  if (!missing.length) return null
  const byStatus = groups(missing, row => row.status)
  return h('section', { class: 'why' }, h('h3', {}, 'Missing, and why'),
    h('dl', {}, [...byStatus].flatMap(([status, of]) => [
      h('dt', {}, h('code', {}, status), ` ${context.reason(of[0].cell)}`),
      h('dd', {}, areasOf(context, of)),
    ])))
}

/** Things by what they have in common, in the order of their first. */
export function groups(things, of) {
  const found = new Map()
  for (const each of things) {
    const key = of(each)
    if (found.has(key)) found.get(key).push(each)
    else found.set(key, [each])
  }
  return found
}

/** Areas with the periods in which they miss a figure. */
export function areasOf(context, rows) {
  const byArea = new Map()
  for (const { area, period } of rows) byArea.set(area, [...(byArea.get(area) ?? []), period])
  const severalPeriods = new Set(rows.map(row => row.period)).size > 1
  const written = [...byArea].map(([area, periods]) => (severalPeriods ? `${area.name} (${spans(periods, context.periods)})` : area.name))
  return written.join(severalPeriods ? '; ' : ', ')
}

export function plainTable(label, headings, rows, { numbers = [] } = {}) {
  const right = at => (numbers.includes(at) ? 'number' : undefined)
  return scrolling(label, h('table', { class: 'plain' },
    h('thead', {}, h('tr', {}, headings.map((text, at) => h('th', { scope: 'col', class: right(at) }, text)))),
    h('tbody', {}, rows.map(cells => h('tr', {}, cells.map((cell, at) =>
      at ? h('td', { class: right(at) }, cell) : h('th', { scope: 'row', class: right(at) }, cell)))))))
}

/** The figures of a drawing as a table, for who rather reads. */
export const asTable = (title, table) => h('details', {}, h('summary', {}, title), table)
