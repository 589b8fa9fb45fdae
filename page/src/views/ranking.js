// Ranking: states by their figure of one period; equal figures share a place, the missing have none.

import { ranked } from '../cells.js'
import { h, s } from '../dom.js'
import { note, totalsApart, whyMissing } from '../parts.js'

export function render(context) {
  const { state } = context
  const heading = context.heading(context.states.length ? 'States by size of their figure' : '', state.period)
  const rows = context.rows(context.states)
  const places = ranked(rows)
  const inOrder = state.order === 'asc' ? [...places].reverse() : places
  const rankOf = new Map(places.map(row => [row.area.id, row.rank]))
  const file = context.file([...inOrder, ...rows.filter(row => row.value === null), ...context.rows(context.totals)])
  const seen = {
    columns: ['rank', ...file.columns],
    rows: file.rows.map(row => [rankOf.get(context.areas.find(area => area.name === row[0])?.id) ?? '', ...row]),
  }
  const values = places.map(row => row.value)
  const [least, most] = [Math.min(0, ...values), Math.max(0, ...values)]
  const share = value => ((value - least) / (most - least || 1)) * 100
  const bar = value => s('svg', { class: 'bar', viewBox: '0 0 100 10', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    s('rect', { x: Math.min(share(0), share(value)), width: Math.max(Math.abs(share(value) - share(0)), 0.3), y: 0, height: 10, class: value < 0 ? 'below' : 'above' }))
  const table = h('table', { class: 'ranking' },
    h('caption', { class: 'heard' }, `${context.what}, ${heading.under}`),
    h('thead', {}, h('tr', {}, h('th', { scope: 'col', class: 'number' }, 'Rank'), h('th', { scope: 'col' }, 'State'), h('th', { scope: 'col', class: 'number' }, context.unit), h('td', { class: 'bars' }))),
    h('tbody', {}, inOrder.map(({ area, value, rank }) => h('tr', { class: state.areas.includes(area.id) ? 'chosen' : undefined, 'data-area': area.id },
      h('td', { class: 'number rank' }, String(rank)), h('th', { scope: 'row' }, area.name), h('td', { class: 'number' }, context.write(value)), h('td', { class: 'bars' }, bar(value))))))
  const order = h('p', {}, h('a', { href: context.href({ order: state.order === 'asc' ? 'desc' : 'asc' }) }, state.order === 'asc' ? 'Largest first' : 'Smallest first'))
  return {
    heading, seen,
    node: h('div', {}, context.states.length ? [order, places.length ? table : note('No state has a figure of this period.')] : note('These figures are not published for states, so there is nothing to rank.'), whyMissing(context, rows), totalsApart(context)),
  }
}
