// How numbers are written: with the decimals that are published, and a true minus.

const formats = new Map()
function formatOf(decimals) {
  if (!formats.has(decimals)) {
    formats.set(decimals, new Intl.NumberFormat('en-US', { minimumFractionDigits: decimals, maximumFractionDigits: decimals }))
  }
  return formats.get(decimals)
}

export const written = (value, decimals = 0) => formatOf(decimals).format(Object.is(value, -0) ? 0 : value).replace('-', '−')

export const signed = (value, decimals = 0) => (value > 0 ? '+' : '') + written(value, decimals)

/** For machines: all published decimals, without grouping. */
export const plain = (value, decimals = 0) => (value === null || value === undefined ? '' : value.toFixed(decimals).replace(/^-(0(?:\.0*)?)$/, '$1'))

/** For the axis of a chart: as short as the step between two ticks allows. */
export function tick(value, step) {
  const decimals = Math.max(0, -Math.floor(Math.log10(Math.abs(step) || 1) + 1e-9))
  return written(value, Math.min(decimals, 6))
}

export function bytes(count) {
  if (count < 1000) return `${count} B`
  return count < 1e6 ? `${written(count / 1e3, 1)} kB` : `${written(count / 1e6, 1)} MB`
}

export const counted = (count, one, many = `${one}s`) => `${written(count)} ${count === 1 ? one : many}`
