// Files of the set, beside the page: JSON whole, of Parquet the row groups of one category. Nothing is asked elsewhere.

import { decompress } from 'fzstd'
import { parquetMetadata, parquetRead } from 'hyparquet'

const compressors = { ZSTD: body => decompress(body) }

/** A file of the set cannot be read; the sentence says which and what to do. */
export class Unreadable extends Error {}

async function asked(url, { headers = {}, ifThere = false } = {}) {
  let answer
  try {
    answer = await fetch(url, { headers })
  } catch {
    throw new Unreadable(`The server of this page does not answer. Start it again with “pce look”, then reload.`)
  }
  if (ifThere && answer.status === 404) return null
  if (!answer.ok) {
    throw new Unreadable(`The file ${new URL(url).pathname.split('/').slice(-2).join('/')} is not there (${answer.status}). Reload the page: a newer set may have taken its place.`)
  }
  return answer
}

/** A JSON document; with `ifThere` null where there is none. */
export const json = async (url, how) => (await asked(url, how))?.json() ?? null

/** Bytes from start to end of a file; of a server that knows no ranges, cut from the whole. */
async function slice(url, start, end) {
  const answer = await asked(url, { headers: { Range: `bytes=${start}-${end - 1}` } })
  const body = await answer.arrayBuffer()
  return answer.status === 206 ? body : body.slice(start, end)
}

/** A Parquet file that is sorted and cut into row groups by `category`; its footer is read once. */
export class CategoryFile {
  #url
  #bytes
  #footer
  #opened

  constructor(url, { bytes, footer }) {
    this.#url = url
    this.#bytes = bytes
    this.#footer = footer
  }

  async #metadata() {
    this.#opened ??= slice(this.#url, this.#bytes - this.#footer, this.#bytes).then(parquetMetadata)
    try {
      return await this.#opened
    } catch (failed) {
      this.#opened = undefined
      throw failed
    }
  }

  /** The columns of a category's rows, by name; empty ones where the file has none. */
  async columns(category) {
    const metadata = await this.#metadata()
    const place = metadata.schema.filter(each => each.type).findIndex(each => each.name === 'category')
    const columns = Object.fromEntries(metadata.schema.filter(each => each.type).map(each => [each.name, []]))
    let passed = 0
    let kept = 0
    for (const group of metadata.row_groups) {
      const [rowStart, rows] = [passed, Number(group.num_rows)]
      passed += rows
      const { min_value: least, max_value: most } = group.columns[place].meta_data.statistics ?? {}
      if (least !== undefined && (category < least || most < category)) continue
      const base = kept - rowStart
      kept += rows
      await parquetRead({
        file: { byteLength: this.#bytes, slice: (start, end = this.#bytes) => slice(this.#url, start, end) },
        metadata, compressors, rowStart, rowEnd: rowStart + rows,
        onChunk: ({ columnName, columnData, rowStart: from }) => {
          for (let at = 0; at < columnData.length; at += 1) columns[columnName][base + from + at] = columnData[at]
        },
      })
    }
    return columns
  }
}
