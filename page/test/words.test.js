import assert from 'node:assert/strict'
import { test } from 'node:test'
import { classesOf, classOf, bounds } from '../src/classes.js'
import { asKnown, Cells, cellsOf, changes, ranked } from '../src/cells.js'
import { Context } from '../src/context.js'
import { csvOf, field, fileName } from '../src/csv.js'
import { named, spread } from '../src/lines.js'
import { plain, signed, written } from '../src/numbers.js'
import { dayInWords, periodsOf, spans } from '../src/periods.js'
import { matches } from '../src/picker.js'
import { hashOf, parse, resolve } from '../src/state.js'

const AREAS = [
  { id: '00000', name: 'United States', level: 'nation', abbreviation: 'US' },
  { id: '06000', name: 'California', level: 'state', abbreviation: 'CA' },
  { id: '48000', name: 'Texas', level: 'state', abbreviation: 'TX' },
]
const spending = {
  id: 'spending', title: 'Spending', first: 2019, last: 2021, figures: 'figures/spending.parquet',
  extracts: [{ extract: '2022-10-01' }, { extract: '2023-10-01' }],
  categories: [{ id: 'all', title: 'All', role: 'total', scheme: 'a' }, { id: 'food', title: 'Food', role: 'part', scheme: 'a' }],
  measures: [
    { id: 'usd', title: 'dollars', is_published: true, adds_up_over: ['areas'], history: 'h' },
    { id: 'usd_per_head', title: 'dollars per head', is_published: true, adds_up_over: [], history: 'h', categories: [0] },
    { id: 'growth', title: 'growth', adds_up_over: [] },
  ],
}
const INDEX = { areas: AREAS, datasets: [spending], files: { 'figures/spending.parquet': { rows: 9 } } }
const told = (wanted, index = INDEX) => resolve(index, wanted).notes.map(({ about }) => about)

test('nothing asked is a whole question: total, a measure that compares areas, the newest period and extract', () => {
  const { state, notes } = resolve(INDEX, parse(''))
  assert.deepEqual(state, { view: 'map', dataset: 'spending', category: 'all', measure: 'usd_per_head', areas: [], period: 2021, since: 2019, known: '2023-10-01', order: 'desc' })
  assert.deepEqual(notes, [])
})

test('an address written is read again as the same question', () => {
  const { state } = resolve(INDEX, parse('#/line?category=food&measure=usd&areas=TX,US&period=2020&since=2020&known=2022-10-01&order=asc'))
  assert.deepEqual(resolve(INDEX, parse(hashOf(INDEX, state))), { state, notes: [] })
})

test('a link keeps its vintage when a newer one comes', () => {
  const hash = hashOf(INDEX, resolve(INDEX, {}).state)
  const later = { ...INDEX, datasets: [{ ...spending, last: 2022, extracts: [...spending.extracts, { extract: '2024-10-01' }] }] }
  const { state, notes } = resolve(later, parse(hash))
  assert.equal(state.known, '2023-10-01')
  assert.equal(state.period, 2021)
  assert.deepEqual(notes, [])
})

test('what a link names and is not there is told, each part', () => {
  assert.deepEqual(told({ view: 'globe' }), ['view'])
  assert.deepEqual(told({ dataset: 'x' }), ['dataset'])
  assert.deepEqual(told({ category: 'x' }), ['category'])
  assert.deepEqual(told({ measure: 'x' }), ['measure'])
  assert.deepEqual(told({ known: '1999-01-01' }), ['known'])
  assert.deepEqual(told({ period: '1066' }), ['period'])
  assert.deepEqual(told({ period: 'constructor' }), ['period'])
  assert.deepEqual(told({ areas: 'CA,ZZ' }), ['areas'])
  assert.deepEqual(told({ view: 'constructor' }), ['view'])
})

test('a measure that the category lacks gives way to one that it has', () => {
  const { state, notes } = resolve(INDEX, { category: 'food', measure: 'usd_per_head' })
  assert.equal(state.measure, 'usd')
  assert.match(notes[0].text, /Of Food there is no dollars per head/)
})

test('a measure that is asked for alone brings a category that has it', () => {
  const food = { ...spending, measures: [...spending.measures, { id: 'kilograms', title: 'weight', is_published: true, adds_up_over: [], categories: [1] }] }
  const { state, notes } = resolve({ ...INDEX, datasets: [food] }, { measure: 'kilograms' })
  assert.deepEqual([state.category, state.measure, notes], ['food', 'kilograms', []])
})

test('a measure without a history says that it cannot be moved in time', () => {
  assert.deepEqual(told({ measure: 'growth', known: '2022-10-01' }), ['known'])
  assert.deepEqual(told({ measure: 'growth', known: '2023-10-01' }), [])
})

test('a pinned extract is the current one, whatever is newer', () => {
  const pinned = { ...INDEX, datasets: [{ ...spending, pinned: '2022-10-01' }] }
  assert.equal(resolve(pinned, {}).state.known, '2022-10-01')
})

test('the history at an extract is the last word up to it', () => {
  const history = {
    area: ['06000', '06000', '06000', '48000'], period: [2020, 2020, 2021, 2020], extract: [0, 1, 1, 0],
    value: [1, 2, 3, null], status: ['reported', 'reported', 'reported', 'suppressed'],
  }
  const [then, now] = [asKnown('usd', history, 0), asKnown('usd', history, 1)]
  assert.deepEqual(then.at('usd', '06000', 2020), { value: 1, status: 'reported' })
  assert.deepEqual(now.at('usd', '06000', 2020), { value: 2, status: 'reported' })
  assert.equal(then.at('usd', '06000', 2021), undefined)
  assert.deepEqual(now.at('usd', '48000', 2020), { value: null, status: 'suppressed' })
  assert.deepEqual(changes(then, now, 'usd', ['06000', '48000'], [2020, 2021]).map(({ kind, by }) => [kind, by]), [['revised', 1], ['new', null]])
})

test('a missing figure is null and never zero', () => {
  const cells = cellsOf({ measure: ['usd'], area: ['06000'], period: [2020], value: [undefined], status: ['suppressed'] })
  assert.deepEqual(cells.at('usd', '06000', 2020), { value: null, status: 'suppressed' })
  assert.equal(cells.newest('usd', ['06000']), null)
})

test('equal figures share a place, and the missing have none', () => {
  assert.deepEqual(ranked([{ value: 5 }, { value: null }, { value: 7 }, { value: 5 }, { value: 1 }]).map(({ value, rank }) => [value, rank]), [[7, 1], [5, 2], [5, 2], [1, 4]])
})

test('every value has a class, the classes hold all values, and zero parts them where there are both signs', () => {
  for (const values of [[1, 2, 3, 4, 5, 6, 7, 8], [5, 5, 5], [-3, -1, 0, 2, 40], [0.001, 0.002], [1e9, 2e9, 1e12]]) {
    const classes = classesOf([...values, null])
    assert.equal(bounds(classes).reduce((sum, { count }) => sum + count, 0), values.length)
    for (const value of values) assert.ok(classOf(classes, value) >= 0 && classOf(classes, value) <= 5)
    const sorted = [...values].sort((a, b) => a - b).map(value => classOf(classes, value))
    assert.deepEqual(sorted, [...sorted].sort((a, b) => a - b))
  }
  const both = classesOf([-3, -1, 0, 2, 40])
  assert.ok(classOf(both, -0.1) < 3 && classOf(both, 0) >= 3)
  assert.equal(classesOf([null]).kind, 'none')
})

test('a file says what it is first, and no field runs as a formula', () => {
  const text = csvOf({ about: [['SAMPLE', 'synthetic'], ['unit', '']], columns: ['a', 'b'], rows: [['x, "y"', -1.5]] })
  assert.equal(text, '# SAMPLE: synthetic\r\na,b\r\n"x, ""y""",-1.5\r\n')
  assert.equal(field('=1+1'), "'=1+1")
  assert.equal(field('-0.5'), '-0.5')
  assert.equal(field(null), '')
  assert.equal(fileName(['pce state', '', 'a/b']), 'pce-state_a-b.csv')
})

test('numbers have the decimals that are published, and a true minus', () => {
  assert.equal(written(-1234.5, 1), '−1,234.5')
  assert.equal(written(-0, 0), '0')
  assert.equal(signed(2, 1), '+2.0')
  assert.equal(plain(-0.04, 1), '0.0')
  assert.equal(plain(null, 1), '')
})

test('periods follow each other over the turn of a year', () => {
  assert.deepEqual(periodsOf({ first: 202411, last: 202502 }), [202411, 202412, 202501, 202502])
  assert.equal(spans([2001, 1997, 1998], [1997, 1998, 1999, 2000, 2001]), '1997–1998, 2001')
  assert.equal(dayInWords('2025-10-02'), 'October 2, 2025')
})

test('words that begin alike are found, in any order', () => {
  assert.ok(matches('care hea', 'Health care'))
  assert.ok(!matches('lth', 'Health care'))
  assert.ok(matches('', 'anything'))
})

test('labels keep their distance within the chart, and axes name no more than has room', () => {
  const placed = spread([100, 101, 102, 290], 10, 300, 15)
  const sorted = [...placed].sort((a, b) => a - b)
  for (let at = 1; at < sorted.length; at += 1) assert.ok(sorted[at] - sorted[at - 1] >= 15 - 1e-9)
  assert.ok(Math.max(...placed) <= 300)
  assert.ok(named(periodsOf({ first: 1997, last: 2025 }), 9).length <= 9)
  assert.equal(named(periodsOf({ first: 1997, last: 2025 }), 9).at(-1), 2025)
})

test('lines end where what was known ended, so that a kept link shows no later period as a gap', () => {
  const cells = new Cells()
  cells.put('usd', '06000', 2019, 1, 'reported')
  cells.put('usd', '06000', 2020, null, 'suppressed')
  const state = { dataset: 'spending', category: 'all', measure: 'usd', known: '2022-10-01', period: 2019, since: 2019 }
  const context = new Context(INDEX, state, { cells })
  assert.deepEqual(context.since, [2019, 2020, 2021])
  assert.deepEqual(context.sinceAsKnown, [2019, 2020])
})
