// Builds the page: one script, one style sheet, one HTML file, and the licences of what is inside.
// The names of script and style carry their hash, so that a browser may keep them for ever.
// Same sources and same lock, same bytes: a test rebuilds and compares.

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { feature } from 'topojson-client'

const HERE = dirname(fileURLToPath(import.meta.url))
const SITE = process.argv[2] ?? join(HERE, '..', 'pce_pipeline', 'look', 'site')
const read = (...path) => readFileSync(join(HERE, ...path), 'utf8')

/** States as SVG paths of whole numbers, each point relative to the one before: a third of the size of TopoJSON. */
function statesOf(topology) {
  const TENTHS = 10
  const whole = ([x, y]) => [Math.round(x * TENTHS), Math.round(y * TENTHS)]
  const path = ring => {
    const points = ring.map(whole)
    const steps = points.slice(1).map(([x, y], at) => [x - points[at][0], y - points[at][1]])
    const moved = steps.slice(0, -1).filter(([x, y]) => x || y)
    return moved.length < 2 ? '' : `M${points[0].join(' ')}l${moved.map(step => step.join(' ')).join(' ')}z`.replaceAll(' -', '-')
  }
  const area = ring =>
    Math.abs(ring.reduce((sum, [x, y], at) => sum + x * ring[(at + 1) % ring.length][1] - ring[(at + 1) % ring.length][0] * y, 0))
  const middle = ring => whole([0, 1].map(axis => (Math.min(...ring.map(p => p[axis])) + Math.max(...ring.map(p => p[axis]))) / 2))
  return feature(topology, topology.objects.states).features
    .map(({ id, geometry }) => {
      const polygons = geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates
      const largest = polygons.map(([outer]) => outer).sort((a, b) => area(b) - area(a))[0]
      return { fips: `${id}000`, d: polygons.flat().map(path).join(''), at: middle(largest) }
    })
    .sort((a, b) => (a.fips < b.fips ? -1 : 1))
}

const states = {
  name: 'states',
  setup(bundler) {
    bundler.onResolve({ filter: /^virtual:states$/ }, () => ({ path: 'states', namespace: 'states' }))
    bundler.onLoad({ filter: /.*/, namespace: 'states' }, () => ({
      contents: JSON.stringify(statesOf(JSON.parse(read('node_modules', 'us-atlas', 'states-albers-10m.json')))),
      loader: 'json',
    }))
  },
}

function licencesOf(inputs) {
  const names = new Set(['us-atlas'])
  for (const input of inputs) {
    const found = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)
    if (found) names.add(found[1])
  }
  return [...names].sort().map(name => {
    const folder = join(HERE, 'node_modules', name)
    const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    const file = readdirSync(folder).find(each => /^licen[cs]e/i.test(each))
    if (!file) throw new Error(`${name} has no licence file`)
    return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`
  }).join('\n' + '-'.repeat(80) + '\n\n')
}

const common = { bundle: true, minify: true, write: false, metafile: true, legalComments: 'none', absWorkingDir: HERE, logLevel: 'warning' }
const script = await build({
  ...common, entryPoints: ['src/main.js'], format: 'iife', target: ['es2022'], charset: 'utf8', plugins: [states],
})
const style = await build({ ...common, entryPoints: ['src/style.css'], target: ['chrome123', 'firefox121', 'safari17.5'] })

const files = {}
const named = (stem, ending, { outputFiles: [file] }) => {
  const name = `${stem}-${createHash('sha256').update(file.contents).digest('hex').slice(0, 12)}.${ending}`
  files[name] = file.contents
  return name
}
const html = read('src', 'index.html')
  .replace('src/main.js', named('page', 'js', script))
  .replace('src/style.css', named('page', 'css', style))
files['index.html'] = html
files['third-party.txt'] = licencesOf(Object.keys(script.metafile.inputs))

if (existsSync(SITE)) rmSync(SITE, { recursive: true })
mkdirSync(SITE, { recursive: true })
for (const [name, contents] of Object.entries(files)) writeFileSync(join(SITE, name), contents)
for (const [name, contents] of Object.entries(files)) console.log(`${String(contents.length).padStart(8)}  ${name}`)
