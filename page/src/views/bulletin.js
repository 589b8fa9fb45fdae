// Bulletin: what an extract changed, from the record that `pce show bulletin` is written from.

import { h } from '../dom.js'
import { dayInWords } from '../periods.js'
import { counted, signed, written } from '../numbers.js'
import { note, plainTable } from '../parts.js'

const MOST_ROWS = 15
const MOST_CELLS = 8

const words = kind => kind.replaceAll('_', ' ')
const capital = text => text.charAt(0).toUpperCase() + text.slice(1)
const when = ({ year, month }) => (month ? `${year}-${String(month).padStart(2, '0')}` : String(year))
const percent = value => (value === null || value === undefined ? '—' : `${signed(value, 2)} %`)
const number = (value, decimals) => (value === null || value === undefined ? 'none' : written(Number(value), decimals))

function section(title, ...children) {
  return h('section', {}, h('h3', {}, title), ...children)
}

function rest(all, shown, what, several) {
  return all > shown && note(`And ${counted(all - shown, what, several)} more.`)
}

function tables(bulletin) {
  const notes = [...new Set(bulletin.tables.filter(each => each.note && each.note !== each.note_before).map(each => each.note))]
  const decided = bulletin.tables.filter(each => each.decided)
  return section('Tables of the source',
    plainTable('Tables of the source', ['Table', 'What it is', 'Extract before', 'Extract', 'Last updated'],
      bulletin.tables.map(each => [each.bea_table, each.title, each.vintage_before ?? 'none', each.vintage, each.last_updated ?? 'unknown'])),
    notes.length > 0 && h('ul', {}, notes.map(text => h('li', {}, `Note of the source: ${text}`))),
    decided.length > 0 && h('ul', {}, decided.map(each => h('li', {}, `A person decided what counts of ${each.bea_table}: ${each.decided}`))))
}

function news({ years = [], months = [], areas = [], lines = [], tables: of = [], cells = 0 }) {
  const few = list => list.slice(0, 10).join(', ') + (list.length > 10 ? `, and ${written(list.length - 10)} more` : '')
  const said = [
    ['Tables', few(of)], ['Years', few(years)], ['Months', few(months)], ['Areas', few(areas)],
    ['Lines', few(lines.map(each => `${each.bea_table} ${each.line_code} ${each.text}${each.is_held ? '' : ' (not in the catalogue)'}`))],
    ['Cells', cells ? written(cells) : ''],
  ].filter(([, text]) => text)
  return said.length > 0 && section('New', h('ul', {}, said.map(([name, text]) => h('li', {}, `${name}: ${text}`))))
}

function largest(bulletin) {
  return bulletin.largest.length > 0 && section('Largest revisions',
    plainTable('Largest revisions', ['Area', 'Of', 'Category', 'Measure', 'Before', 'After', 'Unit', 'Change'],
      bulletin.largest.slice(0, MOST_ROWS).map(each => [each.area, when(each), each.category, each.measure_title,
        number(each.from_value, each.decimals), number(each.to_value, each.decimals), each.unit, percent(each.change_pct)]), { numbers: [4, 5, 7] }))
}

function byArea(bulletin) {
  const rows = bulletin.by_area
  return rows.length > 0 && section('Revised most, by area',
    plainTable('Revisions by area', ['Area', 'Figures revised', 'Mean size', 'Largest', 'Of what'],
      rows.slice(0, MOST_ROWS).map(each => [each.area, written(each.revised), `${written(each.mean_abs_pct, 2)} %`, percent(each.largest.change_pct),
        `${each.largest.measure_title}, ${each.largest.category}, ${when(each.largest)}`]), { numbers: [1, 2, 3] }),
    rest(rows.length, MOST_ROWS, 'area'))
}

function byCategory(bulletin) {
  const rows = bulletin.by_category
  return rows.length > 0 && section('Revised most, by category',
    plainTable('Revisions by category', ['Category', 'Measure', 'Figures revised', 'Mean size', 'Mean', 'Largest'],
      rows.slice(0, MOST_ROWS).map(each => [each.category, each.measure_title, written(each.revised), `${written(each.mean_abs_pct, 2)} %`, percent(each.mean_pct),
        `${percent(each.largest.change_pct)} ${each.largest.area} ${when(each.largest)}`]), { numbers: [2, 3, 4] }),
    rest(rows.length, MOST_ROWS, 'category', 'categories'))
}

function named(bulletin) {
  return bulletin.named.map(each => section(`${capital(words(each.kind))}: ${counted(each.total, 'cell')}`,
    h('ul', {}, each.cells.slice(0, MOST_CELLS).map(cell => h('li', {},
      `${cell.area} ${when(cell)}, ${cell.category}: ${cell.measure_title}, ${cell.unit}: `,
      cell.to_value !== null ? `${number(cell.to_value, cell.decimals)} (was ${words(cell.from_status ?? 'not there')})`
        : `${words(cell.to_status)} (was ${cell.from_value !== null ? number(cell.from_value, cell.decimals) : words(cell.from_status ?? 'not there')})`))),
    rest(each.total, Math.min(each.cells.length, MOST_CELLS), 'cell')))
}

function wording(bulletin) {
  return bulletin.wording.length > 0 && section('Titles, units and lines that changed',
    h('ul', {}, bulletin.wording.map(each => h('li', {}, each.what === 'line'
      ? `${each.bea_table} line ${each.line_code} is gone: ${each.before}`
      : `${each.bea_table} line ${each.line_code}, ${each.what}: ${each.before} is now ${each.after}`))))
}

function coverage(bulletin) {
  const without = Object.entries(bulletin.held.by_status).filter(([status]) => status !== 'reported')
  return section('Coverage',
    plainTable('Coverage', ['Table', 'Cells held', 'Expected', 'Share', 'Could not be read'],
      bulletin.coverage.map(each => [each.bea_table, written(each.held), written(each.expected),
        each.expected ? `${written((100 * each.held) / each.expected, 1)} %` : '—', written(each.quarantined)]), { numbers: [1, 2, 3, 4] }),
    without.length > 0 && h('p', {}, `Figures without a number, by reason: ${without.map(([status, count]) => `${written(count)} ${words(status)}`).join(', ')}.`))
}

function sentence(bulletin) {
  const held = `${written(bulletin.held.cells)} cells from ${bulletin.held.first} to ${bulletin.held.last}`
  if (!bulletin.compared_with) return `This is the first extract of the dataset that counts. It holds ${held} and is compared with nothing.`
  const changed = Object.values(bulletin.kinds).reduce((sum, count) => sum + count, 0)
  if (!changed) return `It holds ${held}. No cell changed since the extract of ${bulletin.compared_with}.`
  return `It holds ${held}. Since the extract of ${bulletin.compared_with}, ${counted(changed, 'cell')} changed.`
}

export async function render(context) {
  const { dataset, extract } = context
  const released = dayInWords(extract.released ?? extract.extract)
  const heading = { title: `${dataset.title}: what the extract of ${extract.extract} changed`, under: `Released ${released}` }
  const newest = dataset.extracts.findLast(each => each.bulletin)
  const bulletin = await context.set.bulletin(dataset, extract)
  if (!bulletin) {
    return {
      heading, seen: null,
      node: note(`There is no bulletin of this extract in this set. `, newest && h('a', { href: context.href({ known: newest.extract }) }, `Show that of ${newest.extract}.`)),
    }
  }
  const kinds = Object.entries(bulletin.kinds)
  return {
    heading,
    seen: {
      columns: ['area', 'period', 'category', 'measure', 'before', 'after', 'unit', 'change_pct', 'kind'],
      rows: [...bulletin.largest, ...bulletin.named.flatMap(each => each.cells)].map(each => [
        each.area, when(each), each.category, each.measure_title, each.from_value ?? '', each.to_value ?? '', each.unit, each.change_pct ?? '', each.kind]),
    },
    node: h('div', {}, h('p', { class: 'lead' }, sentence(bulletin)),
      kinds.length > 0 && section('What changed', plainTable('What changed', ['Kind', 'Cells'], kinds.map(([kind, count]) => [words(kind), written(count)]), { numbers: [1] })),
      news(bulletin.news), largest(bulletin), byArea(bulletin), byCategory(bulletin), named(bulletin), wording(bulletin), tables(bulletin), coverage(bulletin)),
  }
}
