// SPDX-License-Identifier: Apache-2.0
// Stories in a browser, as TAP lines. tests/web/run starts what they need.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { ALSO, PAGES } from './pages.mjs'

const require = createRequire(new URL('../../web/package.json', import.meta.url))
const { chromium } = require('playwright-core')
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')
const option = name => process.argv[process.argv.indexOf('--' + name) + 1]
const BASE = option('base'), NAME = option('name')
const FIRST = process.env.SECZIM_WEB_PASSWORD, NEW = 'gravel lantern mosaic tundra'
const ASK = process.env.SECZIM_WEB_ASK
const SECONDS = 30

let count = 0, failed = 0
function check(good, what, detail = '') {
    count++
    if (!good) failed++
    console.log(`${good ? 'ok' : 'not ok'} ${count} - ${what}`)
    if (!good) for (const line of String(detail).split('\n').slice(0, 25)) console.log('#   ' + line)
}
async function story(name, run) {
    try {
        await run()
    } catch (error) {
        check(false, name, error.stack ?? error)
    }
}

const browser = await chromium.launch({ executablePath: option('browser'),
    args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--no-first-run'] })
const messages = []
/** A page whose every complaint is kept: exceptions, the console, the Content Security Policy. */
async function open(context) {
    const page = await context.newPage()
    page.setDefaultTimeout(SECONDS * 1000)
    page.on('console', message => ['error', 'warning'].includes(message.type()) && messages.push(`${page.url()}: ${message.text()}`))
    page.on('pageerror', error => messages.push(`${page.url()}: ${error.stack}`))
    return page
}
const settled = page => page.waitForFunction(() => document.querySelector('main, .center') && !document.querySelector('.skeleton, [aria-busy=true]'))
async function violations(page) {
    await page.evaluate(axe)
    return page.evaluate(async () => {
        const found = await globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
        return found.violations.map(one => `${one.id}: ${one.help}\n${one.nodes.slice(0, 3).map(node => '  ' + node.html.slice(0, 200) + '\n  ' + (node.failureSummary ?? '').slice(0, 300)).join('\n')}`)
    })
}
/** What Postfix would be told now. */
const ask = async values => (await fetch(ASK, { method: 'POST', body: JSON.stringify(values) })).text()

const plain = await browser.newContext({ locale: 'en-US', timezoneId: 'UTC', viewport: { width: 1366, height: 900 }, reducedMotion: 'reduce' })
const page = await open(plain)
const text = () => page.locator('main').innerText()
const gone = () => messages.splice(0)

await story('logging in', async () => {
    await page.goto(BASE + '/sessions?verdict=reject')
    await page.getByLabel('Name').fill(NAME)
    await page.getByLabel('Password').fill('certainly wrong')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').waitFor()
    check(/password|wrong|name/i.test(await page.getByRole('alert').innerText()), 'a wrong password is answered with a sentence', await page.getByRole('alert').innerText())
    gone() // Chromium notes each 401 in its console; nothing else may stand there.
    await page.getByLabel('Password').fill(FIRST)
    await page.keyboard.press('Enter')
    await page.waitForFunction(() => /Choose a password|Sessions/.test(document.querySelector('h1')?.textContent ?? ''))
    if (await page.getByRole('heading', { name: 'Choose a password' }).isVisible()) {
        await page.getByLabel('Password so far').fill(FIRST)
        await page.getByLabel('New password', { exact: true }).fill(NEW)
        await page.getByLabel('New password again').fill(NEW + 'x')
        await page.keyboard.press('Enter')
        await page.getByText('The two new passwords differ.').waitFor()
        await page.getByLabel('New password again').fill(NEW)
        await page.keyboard.press('Enter')
        check(true, 'the one-time password has to be changed at the first login')
    }
    // Changing the password may end this session too.
    await page.waitForFunction(() => /Log in|Sessions/.test(document.querySelector('h1')?.textContent ?? ''))
    if (await page.getByRole('heading', { name: 'Log in' }).isVisible()) {
        await page.getByLabel('Name').fill(NAME)
        await page.getByLabel('Password').fill(NEW)
        await page.keyboard.press('Enter')
    }
    await page.getByRole('heading', { name: 'Sessions' }).waitFor()
    check(page.url().endsWith('/sessions?verdict=reject'), 'and one is where one wanted to go', page.url())
    gone()
})

const refused = { client_address: '198.51.100.30', helo_name: 'mail.spam.example', sender: 'friend@spam.example', recipient: 'user1@example.net', instance: 'f1.1' }
await story('a refused message', async () => {
    check((await ask(refused)).startsWith('REJECT'), 'a sender of a blocked domain is refused')
    await page.keyboard.press('/')
    await page.keyboard.type('sender:friend@spam.example')
    await page.keyboard.press('Enter')
    await page.getByRole('cell', { name: 'friend@spam.example' }).first().waitFor()
    check(new URL(page.url()).searchParams.get('sender') === 'friend@spam.example', 'the search stands in the address', page.url())
    await page.locator('body').click({ position: { x: 700, y: 5 } })
    await page.keyboard.press('j')
    await page.keyboard.press('Enter')
    const panel = page.getByRole('complementary', { name: 'Decision' })
    await panel.getByText('How it came about').waitFor()
    await panel.getByText('*@spam.example').first().waitFor()
    check(/block list names/.test(await panel.innerText()), 'j and Enter open why: the entry of the block list', await panel.innerText())
    check((await panel.innerText()).includes('Access denied'), 'with what the sender was told')
    const wrong = await violations(page)
    check(wrong.length === 0, 'the panel is accessible', wrong.join('\n'))
    await panel.getByRole('button', { name: 'Allow sender' }).click()
    const dialog = page.getByRole('dialog')
    check(await dialog.getByRole('radio').first().isChecked(), 'the narrowest scope is proposed')
    await dialog.getByLabel('For how long').selectOption({ label: '1 day' })
    await dialog.getByLabel('Comment').fill('asked for by telephone')
    const broken = await violations(page)
    check(broken.length === 0, 'the dialog is accessible', broken.join('\n'))
    await dialog.getByRole('button', { name: 'Allow', exact: true }).click()
    await page.getByText('friend@spam.example is allowed.').waitFor()
    check(await ask({ ...refused, instance: 'f2.1' }) === 'DUNNO', 'the next attempt is accepted')
    await page.keyboard.press('u')
    await page.getByText('Undone.').waitFor()
    check((await ask({ ...refused, instance: 'f3.1' })).startsWith('REJECT'), 'u takes it back: refused again')
    await page.keyboard.press('Escape')
    await panel.waitFor({ state: 'detached' })
    check(await page.evaluate(() => document.activeElement?.matches('tr[data-row]')), 'Escape closes the panel and the row has the focus again')
})

await story('live view', async () => {
    await page.goto(BASE + '/sessions?live=1')
    await page.getByText('live.example').first().waitFor()
    check(true, 'decisions appear as they are made')
    await page.keyboard.press('p')
    await page.getByText('On hold').waitFor()
    const first = await page.locator('tr[data-row]').first().getAttribute('data-row')
    await page.waitForTimeout(700)
    check(first === await page.locator('tr[data-row]').first().getAttribute('data-row'), 'p holds the list')
})

await story('a policy is tried before it is changed', async () => {
    await page.goto(BASE + '/policies/acl_block')
    await page.getByLabel('Mode').selectOption('shadow')
    await page.getByRole('button', { name: 'Preview' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText(/would change|would have|None of/).waitFor()
    const said = await dialog.innerText()
    check(/[1-9][0-9]* decisions? would change/.test(said) && /Rejected\s+Deferred/.test(said), 'the preview tells how many decisions would change, and into what', said)
    await dialog.getByRole('button', { name: 'Apply' }).click()
    await page.getByText('1 setting changed.').waitFor()
    check(!(await ask({ ...refused, instance: 'f4.1' })).startsWith('REJECT'), 'applied: in shadow it refuses nobody')
    await page.getByRole('button', { name: 'Undo' }).click()
    await page.getByText('Undone.').waitFor()
    check((await ask({ ...refused, instance: 'f5.1' })).startsWith('REJECT'), 'undone: it refuses again')
})

await story('order by keyboard', async () => {
    await page.goto(BASE + '/policies')
    const order = () => page.locator('tbody tr').evaluateAll(rows => rows.map(row => row.getAttribute('data-row')))
    await page.getByRole('button', { name: 'Move up: Greylisting' }).waitFor()
    const before = await order()
    await page.getByRole('button', { name: 'Move up: Greylisting' }).focus()
    await page.keyboard.press('Enter')
    await page.waitForFunction(name => document.querySelectorAll('tbody tr')[9]?.getAttribute('data-row') === name, 'greylisting')
    const after = await order()
    check(before.indexOf('greylisting') === 10 && after.indexOf('greylisting') === 9, 'a policy moves up with a key', after.join())
    check(await page.evaluate(() => document.activeElement?.getAttribute('data-move')) === 'greylisting-1', 'and its button keeps the focus')
    await page.getByRole('button', { name: 'Review and apply' }).click()
    check((await page.getByRole('dialog').innerText()).includes('policies.greylisting.priority'), 'the review shows one priority changed')
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Discard' }).click()
})

await story('a wrong setting', async () => {
    await page.goto(BASE + '/settings?search=greylisting.retry_window')
    const field = page.getByRole('spinbutton', { name: 'Retry window' })
    await field.fill('1')
    await page.getByLabel('Unit').selectOption('1')
    await page.getByRole('button', { name: 'Review and apply' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Apply' }).click()
    await page.getByRole('dialog').getByRole('alert').waitFor()
    check(/retry_window/.test(await page.getByRole('dialog').getByRole('alert').innerText()), 'is refused with a sentence that names it')
    await page.keyboard.press('Escape')
    check(await field.getAttribute('aria-invalid') === 'true', 'and the field is marked')
    await page.getByRole('button', { name: 'Discard' }).click()
    gone() // The 400 that Chromium notes.
})

await story('two administrators', async () => {
    await page.goto(BASE + '/settings?search=greylisting.defer_time')
    await page.getByRole('spinbutton', { name: 'Defer time' }).fill('7')
    const other = await open(plain)
    await other.goto(BASE + '/settings?search=greylisting.text')
    await other.getByRole('textbox', { name: 'Text', exact: true }).fill('Come back in {retry_in} seconds')
    await other.getByRole('button', { name: 'Review and apply' }).click()
    const review = await violations(other)
    check(review.length === 0, 'the review of changes is accessible', review.join('\n'))
    await other.getByRole('dialog').getByRole('button', { name: 'Apply' }).click()
    await other.getByText('1 setting changed.').waitFor()
    await other.close()
    await page.getByRole('button', { name: 'Review and apply' }).click()
    const again = page.waitForResponse(response => response.url().endsWith('/settings/items') && response.request().method() === 'GET')
    await page.getByRole('dialog').getByRole('button', { name: 'Apply' }).click()
    await page.getByRole('dialog').getByRole('alert').waitFor()
    await again
    check(/changed since/.test(await page.getByRole('dialog').getByRole('alert').innerText()), 'the second is told that the first changed something meanwhile')
    await page.waitForTimeout(500)
    await page.getByRole('dialog').getByRole('button', { name: 'Apply' }).click()
    await page.getByText('1 setting changed.').waitFor()
    check(true, 'and can apply it once more, having seen that')
    gone() // The 412 that Chromium notes.
})

await story('lists', async () => {
    await page.goto(BASE + '/access?list=block')
    await page.getByRole('button', { name: 'Import' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Or paste lines').fill('one@imported.example\n*@imported.example\n10.0.0.1/8\n')
    await dialog.getByRole('button', { name: 'See what would change' }).click()
    await dialog.getByText('2 would be added').waitFor()
    check((await dialog.innerText()).includes('10.0.0.0/8'), 'an import is shown before it is done, with what is wrong in which line', await dialog.innerText())
    const broken = await violations(page)
    check(broken.length === 0, 'and its dialog is accessible', broken.join('\n'))
    await dialog.getByRole('button', { name: 'Import', exact: true }).click()
    await page.getByText('2 added, 0 changed, 1 left out.').waitFor()
    await page.getByRole('button', { name: 'Remove one@imported.example' }).click()
    await page.getByText('one@imported.example is off the list.').waitFor()
    await page.getByRole('button', { name: 'Undo' }).click()
    await page.getByRole('button', { name: 'Remove one@imported.example' }).waitFor()
    check(true, 'an entry is removed, and put back by Undo')
})

await story('stopping an account', async () => {
    const mail = { client_address: '203.0.113.5', helo_name: 'laptop', sender: 'stolen@example.net', sasl_username: 'stolen@example.net', sasl_method: 'PLAIN', recipient: 'x@elsewhere.example' }
    check(await ask({ ...mail, instance: 'e1.1' }) === 'DUNNO', 'an account sends')
    await page.goto(BASE + '/restrictions')
    await page.getByRole('button', { name: 'Stop an account' }).click()
    await page.getByRole('dialog').getByRole('textbox', { name: 'Sender', exact: true }).fill('stolen@example.net')
    await page.getByRole('dialog').getByRole('button', { name: 'Stop an account' }).click()
    await page.getByText('stolen@example.net may send nothing any more.').waitFor()
    check((await ask({ ...mail, instance: 'e2.1' })).startsWith('REJECT'), 'it is stopped with the next request')
})

await story('a country', async () => {
    await page.goto(BASE + '/geo')
    await page.getByLabel('Add a country').selectOption('NG')
    await page.getByText('Nigeria is blocked.').waitFor()
    await page.getByRole('button', { name: 'Take Nigeria off' }).waitFor()
    await page.getByRole('button', { name: 'Undo' }).click()
    await page.getByRole('button', { name: 'Take Nigeria off' }).waitFor({ state: 'detached' })
    check(true, 'is blocked, and let in again by Undo')
})

await story('users and tokens', async () => {
    await page.goto(BASE + '/users')
    await page.getByRole('button', { name: 'Add user' }).click()
    await page.getByRole('dialog').getByLabel('Name').fill('maria')
    await page.getByRole('dialog').getByLabel('Role').selectOption('viewer')
    await page.getByRole('dialog').getByRole('button', { name: 'Add' }).click()
    await page.getByText('Password for maria').waitFor()
    const once = (await page.getByRole('dialog').locator('.quote').innerText()).trim()
    check(once.length >= 12, 'a new user gets a one-time password')
    await page.keyboard.press('Escape')
    const other = await browser.newContext({ locale: 'en-US' })
    const hers = await open(other)
    await hers.goto(BASE + '/access')
    await hers.getByLabel('Name').fill('maria')
    await hers.getByLabel('Password').fill(once)
    await hers.keyboard.press('Enter')
    await hers.getByLabel('Password so far').fill(once)
    await hers.getByLabel('New password', { exact: true }).fill(NEW + ' maria')
    await hers.getByLabel('New password again').fill(NEW + ' maria')
    await hers.keyboard.press('Enter')
    await hers.waitForFunction(() => /Log in|Access control/.test(document.querySelector('h1')?.textContent ?? ''))
    if (await hers.getByRole('heading', { name: 'Log in' }).isVisible()) {
        await hers.getByLabel('Name').fill('maria')
        await hers.getByLabel('Password').fill(NEW + ' maria')
        await hers.keyboard.press('Enter')
    }
    await hers.getByText('*@bank.example').waitFor()
    check(await hers.getByRole('button', { name: /Allow|Remove|Import/ }).count() === 0, 'a viewer is offered no change')
    check(await hers.getByRole('link', { name: 'Users and tokens' }).count() === 0, 'and no page for administrators')
    gone()
    await other.close()
    await page.goto(BASE + '/users?tab=tokens')
    await page.getByRole('button', { name: 'Add token' }).first().click()
    await page.getByRole('dialog').getByLabel('Name').fill('grafana')
    await page.getByRole('dialog').getByRole('button', { name: 'Add' }).click()
    await page.getByText('Token grafana').waitFor()
    check((await page.getByRole('dialog').locator('.quote').innerText()).startsWith('szt_'), 'a new token is shown once')
    await page.keyboard.press('Escape')
    await page.goto(BASE + '/audit')
    await page.getByRole('button', { name: 'Details' }).first().waitFor()
    check(/token/i.test(await text()), 'the audit log has it')
})

await story('other names of pages', async () => {
    for (const [from, to] of ALSO) {
        await page.goto(BASE + from)
        await page.waitForURL(BASE + to).catch(() => {})
        const now = page.url().slice(BASE.length)
        check(now === to, `${from} leads to ${to}`, now)
    }
})

await story('keys', async () => {
    await page.goto(BASE + '/')
    await settled(page)
    await page.keyboard.press('g')
    await page.keyboard.press('q')
    await page.getByRole('heading', { name: 'Quotas' }).waitFor()
    check(page.url() === BASE + '/quotas', 'g q leads to the quotas')
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor()
    await page.keyboard.press('Escape')
    await page.keyboard.press('Control+k')
    await page.getByRole('combobox').fill('192.0.2.7')
    const palette = await violations(page)
    check(palette.length === 0, 'the palette is accessible', palette.join('\n'))
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    await page.waitForURL(BASE + '/intelligence/reputation?ip=192.0.2.7')
    check(true, 'Ctrl-K, an address, Enter: what is known of it')
    await page.goto(BASE + '/sessions')
    await settled(page)
    await page.keyboard.press('Tab')
    check(await page.evaluate(() => document.activeElement?.textContent) === 'Skip to content', 'the first stop of the Tab key skips to the content')
})
const cookies = await plain.cookies()
check(messages.length === 0, 'no message in the console until here, of the Content Security Policy or other', gone().join('\n'))

/** Every page: what it shows, axe, no overflow, no message. */
async function look(mode, settings, only = () => true) {
    const context = await browser.newContext({ locale: 'en-US', timezoneId: 'UTC', reducedMotion: 'reduce', ...settings })
    await context.addCookies(cookies)
    const seen = await open(context)
    for (const [path, shows] of PAGES.filter(only)) {
        await story(`${path} (${mode})`, async () => {
            await seen.goto(BASE + path)
            await settled(seen)
            await seen.getByText(shows).first().waitFor({ state: 'attached' })
            const broken = await violations(seen)
            const wide = await seen.evaluate(() => document.documentElement.scrollWidth - innerWidth)
            const said = gone()
            check(broken.length === 0 && wide <= 0 && said.length === 0, `${path} (${mode}): shows "${shows}", accessible, fits, says nothing to the console`,
                [...broken, wide > 0 ? `overflows by ${wide} pixels` : '', ...said].filter(Boolean).join('\n'))
        })
    }
    await context.close()
}
await look('light', { colorScheme: 'light', viewport: { width: 1366, height: 900 } })
await look('dark', { colorScheme: 'dark', viewport: { width: 1366, height: 900 } })
await look('360 pixels wide', { colorScheme: 'light', viewport: { width: 360, height: 740 } })

await story('budget', async () => {
    const context = await browser.newContext()
    await context.addCookies(cookies)
    const fresh = await open(context)
    const sizes = []
    fresh.on('requestfinished', async request => {
        if (request.resourceType() === 'script') sizes.push((await request.sizes()).responseBodySize)
    })
    await fresh.goto(BASE + '/policies')
    await settled(fresh)
    await fresh.waitForTimeout(300)
    const sum = sizes.reduce((a, b) => a + b, 0)
    check(sum > 5000 && sum < 60000, `the first page needs ${sum} bytes of script on the wire: under 60000`, sizes.join())
    await context.close()
})
await story('logging out', async () => {
    await page.goto(BASE + '/')
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.getByRole('heading', { name: 'Log in' }).waitFor()
    await page.goto(BASE + '/settings')
    await page.getByRole('heading', { name: 'Log in' }).waitFor()
    check(true, 'after logging out every page asks for a login')
})
await browser.close()
process.exit(failed ? 1 : 0)
