// What is seen, as a CSV file that says what it is: lines of # first, then a heading and the rows.

/** A field; one that a spreadsheet would run as a formula is kept a text. */
export function field(value) {
  const text = value === null || value === undefined ? '' : String(value)
  const harmless = /^[=+@\t\r]|^-(?![\d.]+$)/.test(text) ? `'${text}` : text
  return /[",\n\r]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless
}

/** The file: `about` are pairs of a word and a sentence, `columns` the heading, `rows` arrays of the same length. */
export function csvOf({ about, columns, rows }) {
  const lines = about.filter(([, text]) => text).map(([word, text]) => `# ${word}: ${String(text).replace(/\s+/g, ' ').trim()}`)
  return [...lines, ...[columns, ...rows].map(row => row.map(field).join(','))].join('\r\n') + '\r\n'
}

/** A name of a file that every system takes. */
export const fileName = parts => `${parts.filter(Boolean).join('_').replace(/[^\w.-]+/g, '-')}.csv`
