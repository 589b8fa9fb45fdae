// The set of one version: what of it was asked for once is kept for as long as the page is open.

import { cellsOf, asKnown } from './cells.js'
import { CategoryFile, json } from './files.js'

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

  #json(path) {
    return this.#once(path, () => json(new URL(path, this.#base)))
  }

  async #columns(path, category) {
    const { files } = await this.index()
    const file = this.#once(`open ${path}`, async () => new CategoryFile(new URL(path, this.#base), files[path]))
    return this.#once(`${path} ${category}`, async () => (await file).columns(category))
  }

  index() {
    return this.#json('index.json')
  }

  /** Every value that a measure of a category has had. */
  history(dataset, measure, category) {
    return this.#columns(dataset.history[measure], category)
  }

  /** Figures of a category: all measures as they are held now, or one as it was known at an extract, by its number. */
  cells(dataset, category, measure, known) {
    return this.#once(['cells', dataset.id, category, ...(known === null ? ['now'] : [measure, known])].join(' '), async () =>
      known === null
        ? cellsOf(await this.#columns(dataset.figures, category))
        : asKnown(measure, await this.history(dataset, measure, category), known))
  }

  checks() {
    return this.#json('checks.json')
  }

  missing(dataset) {
    return this.#json(dataset.missing)
  }

  runs() {
    return this.#json('runs.json')
  }

  async bulletin(dataset, extract) {
    return extract.bulletin ? this.#json(extract.bulletin) : null
  }
}
