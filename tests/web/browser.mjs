// SPDX-License-Identifier: Apache-2.0
// What the stories share: one browser, TAP lines, pages whose every complaint is kept, axe, and what Postfix would be told.
import { appendFileSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const require = createRequire(new URL('../../web/package.json', import.meta.url))
const { chromium } = require('playwright-core')
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')
const option = name => process.argv[process.argv.indexOf('--' + name) + 1]
export const BASE = option('base'), NAME = option('name')
export const FIRST = process.env.SECZIM_WEB_PASSWORD, NEW = 'gravel lantern mosaic tundra'
const ASK = process.env.SECZIM_WEB_ASK
const SECONDS = Number(process.env.SECZIM_WEB_SECONDS ?? 30)

let count = 0
export let failed = 0
export function check(good, what, detail = '') {
    count++
    if (!good) failed++
    console.log(`${good ? 'ok' : 'not ok'} ${count} - ${what}`)
    if (!good) for (const line of String(detail).split('\n').slice(0, 25)) console.log('#   ' + line)
}
export const equal = (got, expected, what) => check(got === expected, what, `got      ${got}\nexpected ${expected}`)
export async function story(name, run) {
    const began = Date.now()
    try {
        await run()
    } catch (error) {
        check(false, name, error.stack ?? error)
    }
    if (process.env.SECZIM_WEB_TIMES) appendFileSync(process.env.SECZIM_WEB_TIMES, `${Date.now() - began} ms: ${name}\n`)
}

export const browser = await chromium.launch({ executablePath: option('browser'),
    args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--no-first-run'] })

const complaints = new WeakMap()
/** A page whose every complaint is kept: exceptions, the console, the Content Security Policy. */
export async function open(context) {
    const page = await context.newPage()
    const said = []
    complaints.set(page, said)
    page.setDefaultTimeout(SECONDS * 1000)
    page.on('console', message => ['error', 'warning'].includes(message.type()) && said.push(`${page.url()}: ${message.text()}`))
    page.on('pageerror', error => said.push(`${page.url()}: ${error.stack}`))
    return page
}
/** What it complained of since it was asked last. Chromium notes each answer of 400 and above as an error. */
export const complained = page => complaints.get(page).splice(0)
/** That it complained of nothing but `statuses`, which the story has brought about. */
export function quiet(page, what, ...statuses) {
    const rest = complained(page).filter(text => !statuses.some(status => text.includes(`status of ${status}`)))
    check(rest.length === 0, what, rest.join('\n'))
}
/** Frames and short timers come this many milliseconds late, as on a busy machine: what waits for one is seen to wait. */
const LATE = Number(process.env.SECZIM_WEB_LATE ?? 60)
function late(by) {
    const [frame, timer] = [requestAnimationFrame.bind(window), setTimeout.bind(window)]
    window.requestAnimationFrame = call => { timer(() => frame(call), by); return 0 }
    window.setTimeout = (call, wait = 0, ...given) => timer(call, Math.max(wait, by), ...given)
}
export async function person(settings) {
    const context = await browser.newContext({ locale: 'en-US', timezoneId: 'UTC', viewport: { width: 1366, height: 900 }, reducedMotion: 'reduce', ...settings })
    await context.addInitScript(late, LATE)
    return context
}
export const settled = page => page.waitForFunction(() => document.querySelector('main, .center') && !document.querySelector('.skeleton, [aria-busy=true]'))

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
/** What axe finds in the page as it is now. */
export async function violations(page) {
    if (!await page.evaluate(() => 'axe' in globalThis)) await page.evaluate(axe)
    return page.evaluate(async rules => {
        const found = await globalThis.axe.run(document, { runOnly: rules, resultTypes: ['violations'] })
        return found.violations.map(one => `${one.id}: ${one.help}\n${one.nodes.slice(0, 3).map(node => '  ' + node.html.slice(0, 200) + '\n  ' + (node.failureSummary ?? '').slice(0, 300)).join('\n')}`)
    }, RULES)
}
export async function accessible(page, what) {
    const found = await violations(page)
    check(found.length === 0, what, found.join('\n'))
}

/** What an undo is about to bring about. */
export async function becomes(holds, what) {
    const end = Date.now() + SECONDS * 1000
    let good = await holds()
    while (!good && Date.now() < end) good = await holds()
    check(good, what)
}

let asked = 0
/** What Postfix is told now, and the id under which the decision is found again. */
export async function ask(values) {
    const instance = `web${++asked}.${process.pid}`
    const reply = await fetch(ASK, { method: 'POST', body: JSON.stringify({ instance, ...values }) })
    return { instance: values.instance ?? instance, answer: await reply.text() }
}
export const answer = async values => (await ask(values)).answer
