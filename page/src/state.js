// What is looked at, as the address has it after #: read, completed with what there is, and written.
// A link always names the vintage (known=), so that it shows the same a vintage later.

import { isMonth, periodsOf, short } from './periods.js'

export const VIEWS = {
  map: 'Map', line: 'Line', ranking: 'Ranking', table: 'Table', revisions: 'Revisions',
  missing: 'Missing', quality: 'Quality', bulletin: 'Bulletin', operations: 'Operations',
}
export const MOST_AREAS = 8
const MONTHS_AT_FIRST = 36

/** The view and parameters of an address; everything may be missing or wrong. */
export function parse(hash) {
  const [path, query = ''] = hash.replace(/^#\/?/, '').split('?')
  const given = new URLSearchParams(query)
  return { view: path || undefined, ...Object.fromEntries([...given].filter(([, value]) => value !== '')) }
}

/** The number of a period as an address writes it: 2024, 2024-05 or 202405. */
function periodOf(text) {
  return Number(String(text).replace(/^(\d{4})-(\d{2})$/, '$1$2'))
}

/** The dataset with the most figures: what is shown before one is chosen. */
const largest = ({ datasets, files }) => datasets.reduce((most, each) => (files[each.figures].rows > files[most.figures].rows ? each : most))

/** The measures that a category has. */
export function measuresOf(dataset, category) {
  const place = dataset.categories.indexOf(category)
  return dataset.measures.filter(each => !each.categories || each.categories.includes(place))
}

/** What is shown before anything is chosen: a published measure by which areas of any size compare, where there is one. */
const comparing = measures => measures.find(each => each.is_published && !each.adds_up_over.includes('areas')) ?? measures[0]

/** The place of the extract whose figures are the current ones: the newest, unless a person pinned another. */
export function nowOf({ extracts, pinned }) {
  const place = extracts.findIndex(each => each.extract === pinned)
  return place < 0 ? extracts.length - 1 : place
}

/**
 * A whole state made of what was asked for, and of each part that there is not a note {about, text}: about which control.
 * State: {view, dataset, category, measure, areas, period, since, known, order}, all of them ids that exist.
 */
export function resolve(index, wanted) {
  const notes = []
  const say = (about, text) => notes.push({ about, text })
  const pick = (list, id, what, fallback) => {
    const found = list.find(each => each.id === id)
    if (id !== undefined && !found) say(what, `There is no ${what} “${id}” here; this shows ${fallback.title ?? fallback.id} instead.`)
    return found ?? fallback
  }
  const view = Object.hasOwn(VIEWS, wanted.view ?? 'map') ? (wanted.view ?? 'map') : 'map'
  if (wanted.view !== undefined && view !== wanted.view) say('view', `There is no view “${wanted.view}”; this is the map.`)

  const dataset = pick(index.datasets, wanted.dataset, 'dataset', largest(index))
  const asked = dataset.measures.find(each => each.id === wanted.measure)
  const having = dataset.categories.filter(each => !asked || measuresOf(dataset, each).includes(asked))
  const category = pick(dataset.categories, wanted.category, 'category', having.find(each => each.role === 'total') ?? having[0])
  const measures = measuresOf(dataset, category)
  const measure = asked && !measures.includes(asked) ? comparing(measures) : pick(measures, wanted.measure, 'measure', comparing(measures))
  if (asked && asked !== measure) say('measure', `Of ${category.title} there is no ${asked.title}; this shows ${measure.title} instead.`)

  const now = dataset.extracts[nowOf(dataset)]
  const extract = dataset.extracts.find(each => each.extract === wanted.known)
  if (wanted.known !== undefined && !extract) {
    say('known', `No extract “${wanted.known}” of this dataset is held; this shows what was known on ${now.extract}, which may differ from what the link showed.`)
  } else if (extract && extract !== now && !measure.history) {
    say('known', `Of ${measure.title} only what is held now is kept, so this may differ from what was known on ${extract.extract}.`)
  }

  const periods = periodsOf(dataset)
  const periodAsked = wanted.period === undefined ? dataset.last : periodOf(wanted.period)
  const hasPeriod = periods.includes(periodAsked)
  if (!hasPeriod) say('period', `There is no ${isMonth(dataset.last) ? 'month' : 'year'} “${wanted.period}” in this dataset; this shows ${short(dataset.last)}.`)
  const earliest = isMonth(dataset.last) ? periods[Math.max(0, periods.length - MONTHS_AT_FIRST)] : dataset.first
  const since = wanted.since === undefined ? earliest : periodOf(wanted.since)

  const names = (wanted.areas ?? '').split(',').filter(Boolean)
  const byName = name => index.areas.find(area => area.id === name || area.abbreviation === name.toUpperCase())
  const unknown = names.filter(name => !byName(name))
  if (unknown.length) say('areas', `There is no area ${unknown.map(name => `“${name}”`).join(', ')}; it is left out.`)
  const areas = [...new Set(names.map(byName).filter(Boolean).map(area => area.id))]
  if (areas.length > MOST_AREAS) say('areas', `A chart shows ${MOST_AREAS} areas at most; the first ${MOST_AREAS} of the link are shown.`)

  return {
    notes,
    state: {
      view, dataset: dataset.id, category: category.id, measure: measure.id,
      areas: areas.slice(0, MOST_AREAS),
      period: hasPeriod ? periodAsked : dataset.last,
      since: periods.includes(since) ? since : earliest,
      known: (extract ?? now).extract,
      order: wanted.order === 'asc' ? 'asc' : 'desc',
    },
  }
}

/** The address of a state; areas by postal code where they have one. */
export function hashOf(index, state) {
  const name = id => {
    const area = index.areas.find(each => each.id === id)
    return area?.abbreviation ?? id
  }
  const pairs = [
    ['dataset', state.dataset], ['category', state.category], ['measure', state.measure],
    ['areas', state.areas.map(name).join(',')], ['period', short(state.period)], ['since', short(state.since)],
    ['known', state.known], ['order', state.order === 'asc' ? 'asc' : ''],
  ]
  const query = pairs.filter(([, value]) => value).map(([key, value]) => `${key}=${encodeURIComponent(value).replaceAll('%2C', ',')}`)
  return `#/${state.view}?${query.join('&')}`
}
