// The set of one version, as docs/explorer.md describes it; what was asked for once is kept while the page is open.

import { cellsOf, asKnown } from './cells.js'
import { CategoryFile, json, Unreadable } from './files.js'

/** The format of sets that this page can read. */
const FORMAT = 1

/** The index with what it leaves out: a field that is absent has a value that the format names. */
function completed(index) {
  if (index.format !== FORMAT) {
    throw new Unreadable(`This set is of format ${index.format}, and this page reads format ${FORMAT}. Publish page and set anew: pce look publish`)
  }
  const datasets = index.datasets.filter(dataset => dataset.first && dataset.extracts.length).map(dataset => ({
    ...dataset,
    measures: dataset.measures.map(measure => ({ adds_up_over: [], ...measure })),
    categories: dataset.categories.map(category => ({ depth: 0, ...category })),
  }))
  if (!datasets.length) throw new Unreadable('This set holds no figures yet. “pce run” brings them.')
  return { ...index, datasets }
}

export class DataSet {
  #base
  #asked = new Map()

  constructor(base) {
    this.#base = new URL(base, document.baseURI)
  }

  #once(key, ask) {
    if (!this.#asked.has(key)) {
      const answer = ask()
      this.#asked.set(key, answer)
      answer.catch(() => this.#asked.delete(key))
    }
    return this.#asked.get(key)
  }

  #json(path, how) {
    return this.#once(path, () => json(new URL(path, this.#base), how))
  }

  async #columns(path, category) {
    const { files } = await this.index()
    const file = this.#once(`open ${path}`, async () => new CategoryFile(new URL(path, this.#base), files[path]))
    return this.#once(`${path} ${category}`, async () => (await file).columns(category))
  }

  index() {
    return this.#once('index', async () => completed(await this.#json('index.json')))
  }

  /** Every value that a measure of a category has had. */
  history(dataset, measure, category) {
    return this.#columns(dataset.measures.find(each => each.id === measure).history, category)
  }

  /** Figures of a category: all measures as they are held now, or one as it was known at an extract, by its number. */
  cells(dataset, category, measure, known) {
    return this.#once(['cells', dataset.id, category, ...(known === null ? ['now'] : [measure, known])].join(' '), async () =>
      known === null
        ? cellsOf(await this.#columns(dataset.figures, category))
        : asKnown(measure, await this.history(dataset, measure, category), known))
  }

  checks() {
    return this.#json('checks.json', { ifThere: true })
  }

  /** How many published figures are missing: rows {measure, area, year, status, cells}. */
  missing(dataset) {
    return this.#once(`missing ${dataset.id}`, async () => {
      const { measures, areas, statuses, measure, area, year, status, cells } = await this.#json(dataset.missing)
      return cells.map((count, at) => ({ measure: measures[measure[at]], area: areas[area[at]], year: year[at], status: statuses[status[at]], cells: count }))
    })
  }

  runs() {
    return this.#json('runs.json', { ifThere: true })
  }

  async bulletin(dataset, extract) {
    return extract.bulletin ? this.#json(extract.bulletin) : null
  }
}
