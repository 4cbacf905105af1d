// SPDX-License-Identifier: Apache-2.0
// Builds the dashboard: node build.mjs --out FOLDER [--no-check]
// Checks the types, those of the API's answers against the contract too; bundles, gives every file but index.html the hash of its bytes as part of its name (a browser may
// keep them for ever), writes .gz and .br beside each, prints the sizes and fails above the budget.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import * as esbuild from 'esbuild'
import { letters } from './iso-3166.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))
const require = createRequire(import.meta.url)
// Bytes after gzip -9, of JavaScript: what the first page needs, and everything there is. Of style sheets.
const BUDGET = { initial: 60_000, all: 180_000, style: 12_000 }

function options() {
    const words = process.argv.slice(2)
    const at = words.indexOf('--out')
    if (at < 0 || !words[at + 1]) {
        console.error('usage: node build.mjs --out FOLDER [--no-check]')
        process.exit(2)
    }
    return { out: path.resolve(words[at + 1]), check: !words.includes('--no-check') }
}

// The outlines of the countries (Natural Earth, public domain, by way of world-atlas), as paths on a map of 1000 by 500
// with a whole degree being 1000/360: a third of the bytes of the TopoJSON, and nothing to decode in the browser.
function worldOutline() {
    const topology = JSON.parse(readFileSync(require.resolve('world-atlas/countries-110m.json'), 'utf8'))
    const { scale, translate } = topology.transform
    const arcs = topology.arcs.map(arc => {
        let x = 0, y = 0
        return arc.map(([dx, dy]) => {
            x += dx
            y += dy
            return [x * scale[0] + translate[0], y * scale[1] + translate[1]]
        })
    })
    const ring = numbers => numbers.flatMap((number, index) => {
        const arc = number < 0 ? [...arcs[~number]].reverse() : arcs[number]
        return index ? arc.slice(1) : arc
    })
    const drawn = points => {
        // Lands that cross the 180th meridian go on at the eastern edge, which is why the map is a little wider.
        let shift = 0
        const plain = points.map(([longitude, latitude], index) => {
            const step = index ? longitude - points[index - 1][0] : 0
            if (Math.abs(step) > 180) shift -= 360 * Math.sign(step)
            return [Math.round((longitude + shift + 180) / 0.36), Math.round((90 - latitude) / 0.36)]
        })
        const edge = Math.max(...plain.map(at => at[0])) < 30 ? 1000 : 0
        let text = '', before = null
        for (const [x, y] of plain) {
            const at = [x + edge, y]
            if (before && at[0] === before[0] && at[1] === before[1]) continue
            text += before ? `l${at[0] - before[0]} ${at[1] - before[1]}` : `M${at[0]} ${at[1]}`
            before = at
        }
        return text.replaceAll(' -', '-') + 'z'
    }
    return topology.objects.countries.geometries
        .filter(one => one.id !== '010') // Antarctica
        .map(one => {
            const polygons = one.type === 'Polygon' ? [one.arcs] : one.arcs
            return [letters.get(one.id) ?? '', one.properties.name, polygons.flatMap(rings => rings.map(numbers => drawn(ring(numbers)))).join('')]
        })
}

const world = {
    name: 'world-outline',
    setup(build) {
        build.onResolve({ filter: /^world-outline$/ }, () => ({ path: 'world-outline', namespace: 'world' }))
        build.onLoad({ filter: /.*/, namespace: 'world' }, () => ({ contents: JSON.stringify(worldOutline()), loader: 'json' }))
    },
}

const shared = {
    bundle: true,
    minify: true,
    target: ['chrome109', 'firefox115', 'safari16'],
    write: false,
    legalComments: 'none',
    logLevel: 'warning',
    absWorkingDir: here,
    plugins: [world],
}

async function bundle() {
    const pages = await esbuild.build({
        ...shared,
        entryPoints: { main: 'src/main.tsx', style: 'src/style/style.css' },
        outdir: 'assets',
        format: 'esm',
        splitting: true,
        metafile: true,
        jsx: 'automatic',
        jsxImportSource: 'preact',
        entryNames: '[name]-[hash]',
        chunkNames: '[name]-[hash]',
        assetNames: '[name]-[hash]',
    })
    const theme = await esbuild.build({ ...shared, entryPoints: { theme: 'src/theme.ts' }, outdir: 'assets', format: 'iife',
        entryNames: '[name]-[hash]' })
    return { files: [...pages.outputFiles, ...theme.outputFiles], outputs: pages.metafile.outputs }
}

// What an entry needs before it runs: itself and what it imports without asking later.
function initial(outputs, entry) {
    const seen = new Set()
    const visit = name => {
        if (seen.has(name)) return
        seen.add(name)
        for (const one of outputs[name].imports) if (one.kind === 'import-statement' && !one.external) visit(one.path)
    }
    visit(entry)
    return seen
}

function write(out, name, bytes) {
    const place = path.join(out, name)
    mkdirSync(path.dirname(place), { recursive: true })
    writeFileSync(place, bytes)
    const gzip = gzipSync(bytes, { level: 9 })
    writeFileSync(place + '.gz', gzip)
    writeFileSync(place + '.br', brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }))
    return gzip.length
}

const { out, check } = options()
if (check) {
    try {
        execFileSync(path.join(here, '../tools/generate-api'), ['--contract', path.join(here, '../api/openapi.yaml'), '--types', path.join(here, 'src/contract.ts')],
            { stdio: 'inherit' })
        execFileSync(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', here], { stdio: 'inherit' })
    } catch {
        process.exit(1)
    }
}
const { files, outputs } = await bundle()
rmSync(out, { recursive: true, force: true })
const sizes = new Map()
for (const file of files) {
    const name = path.join('assets', path.basename(file.path))
    sizes.set(name, { bytes: file.contents.length, gzip: write(out, name, file.contents) })
}
const named = start => [...sizes.keys()].find(name => path.basename(name).startsWith(start + '-') &&
    (start !== 'main' || name.endsWith('.js')))
const first = initial(outputs, named('main'))
const icon = readFileSync(path.join(here, 'src/icon.svg'))
const iconName = `assets/icon-${createHash('sha256').update(icon).digest('hex').slice(0, 8)}.svg`
write(out, iconName, icon)
const page = readFileSync(path.join(here, 'src/index.html'), 'utf8')
    .replace('{style}', '/' + named('style'))
    .replace('{theme}', '/' + named('theme'))
    .replace('{main}', '/' + named('main'))
    .replace('{icon}', '/' + iconName)
    .replace('{preload}', [...first].filter(name => name !== named('main'))
        .map(name => `<link rel="modulepreload" href="/${name}">`).join('\n'))
write(out, 'index.html', Buffer.from(page))

// What the licences of the bundled libraries ask for; the About page links to it.
const licences = ['preact', 'uplot', 'world-atlas'].map(name => {
    const folder = path.join(here, 'node_modules', name)
    const { version, license } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'))
    return `${name} ${version} (${license})\n\n${readFileSync(path.join(folder, 'LICENSE'), 'utf8').trim()}\n`
})
write(out, 'licences.txt', Buffer.from(licences.join('\n' + '-'.repeat(72) + '\n\n')))

const gzipOf = names => names.reduce((sum, name) => sum + sizes.get(name).gzip, 0)
const scripts = [...sizes.keys()].filter(name => name.endsWith('.js'))
const figures = {
    initial: gzipOf([...first, named('theme')]),
    all: gzipOf(scripts),
    style: gzipOf([...sizes.keys()].filter(name => name.endsWith('.css'))),
}
for (const name of [...sizes.keys()].sort((a, b) => sizes.get(b).gzip - sizes.get(a).gzip)) {
    const { bytes, gzip } = sizes.get(name)
    console.log(`${String(bytes).padStart(8)} ${String(gzip).padStart(7)}  ${first.has(name) ? 'first ' : '      '}${name}`)
}
let over = false
for (const [what, bytes] of Object.entries(figures)) {
    const fits = bytes <= BUDGET[what]
    over ||= !fits
    console.log(`${what}: ${bytes} bytes gzip of ${BUDGET[what]}${fits ? '' : ': above the budget'}`)
}
process.exit(over ? 1 : 0)
