// SPDX-License-Identifier: Apache-2.0
// Once through by keyboard alone: nothing here points, clicks or moves the focus by script. After every key the focus is
// somewhere, can be seen, and is not hidden behind something else.
import { answer, BASE, becomes, check, equal, NAME, NEW, open, person, quiet, story } from './browser.mjs'

const STEPS_MAX = 140

/** What has the focus: its name as a screen reader has it, and what is wrong with how it shows. */
function focused() {
    const element = document.activeElement
    if (!element || element === document.body) return { name: '', wrong: 'nothing has the focus' }
    const labels = element.labels?.length ? [...element.labels].map(one => one.textContent) : []
    const name = (element.getAttribute('aria-label') ?? (labels.join(' ') || element.innerText || element.id || element.tagName)).trim().replace(/\s+/g, ' ')
    const style = getComputedStyle(element)
    const box = element.getBoundingClientRect()
    let wrong = ''
    // The page as a whole takes the focus after a link, and shows that by its new heading.
    if (element.id !== 'main') {
        const marked = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2
        const at = document.elementFromPoint(Math.max(0, Math.min(innerWidth - 1, box.left + Math.min(box.width, 40) / 2)), box.top + Math.min(box.height, 40) / 2)
        if (!marked) wrong = 'it has no outline'
        else if (!at || !(element.contains(at) || at.contains(element) || element.labels?.[0]?.contains(at))) wrong = `it is hidden behind ${at?.outerHTML.slice(0, 80)}`
    }
    return { name, wrong, tag: element.tagName.toLowerCase(), id: element.id, of: element.closest('.toast,tr')?.innerText ?? '' }
}

export async function keyboard() {
    const context = await person()
    const page = await open(context)
    const faults = []
    const here = () => page.evaluate(focused)
    /** Presses a key and looks where the focus is; what is loading gets a moment. */
    async function press(key, times = 1) {
        for (let turn = 0; turn < times; turn++) await page.keyboard.press(key)
        let now = await here()
        for (let turn = 0; turn < 60 && now.wrong; turn++) {
            await page.waitForTimeout(50)
            now = await here()
        }
        if (now.wrong) faults.push(`${page.url()}, after ${key}: "${now.name}": ${now.wrong}`)
        return now
    }
    /** Tab, or Shift+Tab, until what is named has the focus. */
    async function tabTo(name, key = 'Tab', fits = () => true) {
        const seen = []
        for (let step = 0; step < STEPS_MAX; step++) {
            const now = await press(key)
            if ((name instanceof RegExp ? name.test(now.name) : now.name === name) && fits(now)) return now
            seen.push(now.name.slice(0, 30))
        }
        throw new Error(`${key} does not lead to ${name} on ${page.url()}, but to: ${seen.join(' | ')}`)
    }
    async function chord(letter) {
        await page.keyboard.press('g')
        return press(letter)
    }
    const type = text => page.keyboard.type(text)
    const heading = name => page.getByRole('heading', { level: 1, name, exact: true }).waitFor()
    const dialog = page.getByRole('dialog')
    const isOpen = () => dialog.waitFor()
    const isClosed = () => dialog.waitFor({ state: 'detached' })
    const reviewAndApply = async () => {
        await tabTo('Review and apply')
        await page.keyboard.press('Enter')
        await isOpen()
        await tabTo('Apply')
        await page.keyboard.press('Enter')
        await isClosed()
    }

    await story('keyboard alone: log in', async () => {
        await page.goto(BASE + '/')
        await heading('Log in')
        equal((await here()).name, 'Name', 'the login form has the focus in its first field')
        await type(NAME)
        await press('Tab')
        await type('not the password')
        await page.keyboard.press('Enter')
        await page.getByRole('alert').waitFor()
        check(!(await here()).wrong, 'after a wrong password the focus is still in the form', JSON.stringify(await here()))
        quiet(page, 'and nothing else complains', 401)
        await tabTo('Name', 'Shift+Tab')
        await press('Tab')
        await press('Control+a')
        await type(NEW)
        await press('Tab')
        await page.keyboard.press('Enter')
        await heading('Overview')
        equal((await press('Shift')).id, 'main', 'the page has the focus when the form is gone')
        equal((await tabTo('Skip to content', 'Shift+Tab')).tag, 'a', 'the first stop skips to the content')
        equal((await press('Enter')).id, 'main', 'and does')
    })

    await story('keyboard alone: through the navigation', async () => {
        const names = (await page.locator('.rail nav a').allInnerTexts()).map(one => one.trim())
        check(names.length >= 15, `${names.length} pages stand in the navigation`)
        const reached = []
        // The page one is on comes last.
        for (const name of [...names.slice(1), names[0]]) {
            // From the page back into the navigation, the nearest way.
            await tabTo('Log out', 'Shift+Tab')
            await tabTo(name, 'Shift+Tab', now => now.tag === 'a')
            const after = await press('Enter')
            await page.locator(`.rail nav a[aria-current=page]`).filter({ hasText: name }).waitFor()
            await page.waitForFunction(() => document.querySelector('main h1') && !document.querySelector('main .skeleton'))
            if (after.id === 'main') reached.push(name)
        }
        equal(reached.sort().join(), [...names].sort().join(), 'Enter leads to each, and the focus goes to the page')
    })

    const refused = { client_address: '198.51.100.31', helo_name: 'mail.spam.example', sender: 'keys@spam.example', recipient: 'user2@example.net' }
    await story('keyboard alone: a refused message', async () => {
        check((await answer(refused)).startsWith('REJECT'), 'a sender is refused')
        await chord('s')
        await heading('Sessions')
        equal((await press('/')).name, 'Search sessions', '/ leads to the search field')
        await type('sender:keys@spam.example')
        await press('Enter')
        await page.getByRole('cell', { name: 'keys@spam.example' }).first().waitFor()
        await tabTo('Clear filters')
        await press('j')
        const head = await press('Enter')
        check(/^Decision/.test(head.name), 'Enter on a row leads into the panel', head.name)
        const panel = page.getByRole('complementary', { name: 'Decision' })
        await panel.getByText('*@spam.example').first().waitFor()
        check(/block list names/.test(await panel.innerText()), 'which says why')
        await tabTo('Allow sender')
        await page.keyboard.press('Enter')
        await isOpen()
        equal((await here()).tag, 'input', 'the dialog has the focus in its first field')
        await press('ArrowDown')
        await press('ArrowUp')
        await tabTo('For how long')
        await type('1 day')
        await tabTo('Allow', 'Tab', now => now.tag === 'button')
        await page.keyboard.press('Enter')
        await isClosed()
        equal((await here()).name, 'Allow sender', 'when it closes, what opened it has the focus')
        await page.getByText('keys@spam.example is allowed.').waitFor()
        equal(await answer(refused), 'DUNNO', 'and the next attempt is accepted')
        await page.keyboard.press('Escape')
        await panel.waitFor({ state: 'detached' })
        check((await here()).tag === 'tr', 'Escape closes the panel and the row has the focus', JSON.stringify(await here()))
    })

    await story('keyboard alone: an entry is removed', async () => {
        await chord('a')
        await heading('Access control')
        await page.getByText('keys@spam.example', { exact: true }).waitFor()
        await tabTo('Remove keys@spam.example')
        await page.keyboard.press('Enter')
        await page.getByText('keys@spam.example is off the list.').waitFor()
        await page.getByRole('button', { name: 'Remove keys@spam.example' }).waitFor({ state: 'detached' })
        const next = await press('Shift')
        check(/^Remove /.test(next.name), 'the focus goes to the same button of the next row', JSON.stringify(next))
        check((await answer(refused)).startsWith('REJECT'), 'and the entry is gone')
        await tabTo('Undo', 'Tab', now => now.of.includes('off the list'))
        await page.keyboard.press('Enter')
        await page.getByText('Undone.').waitFor()
        await page.getByRole('button', { name: 'Remove keys@spam.example' }).waitFor()
        check(!(await press('Shift')).wrong, 'Undo goes away, and the focus is not lost with it')
        equal(await answer(refused), 'DUNNO', 'undone, the entry is there again')
        await tabTo('Remove keys@spam.example', 'Shift+Tab')
        await page.keyboard.press('Enter')
        await page.getByText('keys@spam.example is off the list.').last().waitFor()
    })

    await story('keyboard alone: a policy is changed', async () => {
        await chord('p')
        await heading('Policies')
        const spam = { ...refused, sender: 'policy@spam.example' }
        check((await answer(spam)).startsWith('REJECT'), 'the block list is enforced')
        await tabTo('Mode: Block list')
        await type('Sh')
        await reviewAndApply()
        check(!(await press('Shift')).wrong, 'applied; the bar is gone, and the focus is not lost with it', JSON.stringify(await here()))
        check(!(await answer(spam)).startsWith('REJECT'), 'in shadow the block list refuses nobody')
        await press('u')
        await becomes(async () => (await answer(spam)).startsWith('REJECT'), 'u takes that back')
        await tabTo('Move down: Allow list', 'Shift+Tab')
        await page.keyboard.press('Enter')
        await page.waitForFunction(() => document.querySelectorAll('tbody tr')[1]?.getAttribute('data-row') === 'acl_allow')
        equal((await press('Shift')).name, 'Move down: Allow list', 'a policy that moves keeps the focus on its button')
        await tabTo('Move up: Allow list', 'Shift+Tab')
        await page.keyboard.press('Enter')
        await page.waitForFunction(() => document.querySelectorAll('tbody tr')[0]?.getAttribute('data-row') === 'acl_allow')
        check(/Allow list$/.test((await press('Shift')).name), 'also at the top, where that button is switched off', JSON.stringify(await here()))
        await tabTo('Discard')
        await page.keyboard.press('Enter')
        await page.getByRole('button', { name: 'Discard' }).waitFor({ state: 'detached' })
        await tabTo('Refresh', 'Shift+Tab')
        await chord('g')
        await heading('Greylisting')
        await tabTo('Settings', 'Tab', now => now.tag === 'a')
        await press('Enter')
        await tabTo('Defer time')
        await press('Control+a')
        await type('0')
        await reviewAndApply()
        const field = await press('Shift')
        equal(field.name, 'Defer time', 'what is refused leads back into its field')
        await tabTo('Discard')
        await page.keyboard.press('Enter')
        await page.getByRole('button', { name: 'Discard' }).waitFor({ state: 'detached' })
        check(!(await press('Shift')).wrong, 'Discard goes away, and the focus is not lost with it')
        quiet(page, 'no message in the console but the answer to what was mistyped', 400)
    })

    await story('keyboard alone: help, palette, menu', async () => {
        await tabTo('Settings', 'Shift+Tab', now => now.tag === 'a')
        await page.keyboard.press('?')
        await isOpen()
        await page.keyboard.press('Escape')
        await isClosed()
        equal((await here()).name, 'Settings', 'the help closes and the focus is where it was')
        await page.keyboard.press('Control+k')
        await isOpen()
        equal((await here()).tag, 'input', 'Ctrl-K has the focus in its field')
        await page.keyboard.press('Escape')
        await isClosed()
        equal((await here()).name, 'Settings', 'closed without a choice, the focus is where it was')
        await page.keyboard.press('Control+k')
        await isOpen()
        await type('audit')
        await page.keyboard.press('Enter')
        await heading('Audit log')
        equal((await press('Shift')).id, 'main', 'a choice leads to the page, and the focus with it')
        await page.setViewportSize({ width: 360, height: 740 })
        await tabTo('Open menu', 'Shift+Tab')
        await page.keyboard.press('Enter')
        await isOpen()
        await tabTo('Quotas')
        await page.keyboard.press('Enter')
        await heading('Quotas')
        equal((await press('Shift')).id, 'main', 'the menu of a narrow window closes, and the focus goes to the page')
        await tabTo('Open menu', 'Shift+Tab')
        await page.keyboard.press('Enter')
        await isOpen()
        await page.keyboard.press('Escape')
        await isClosed()
        equal((await press('Shift')).name, 'Open menu', 'Escape closes it, and its button has the focus')
        await page.setViewportSize({ width: 1366, height: 900 })
        await press('Tab')
    })

    await story('keyboard alone: log out', async () => {
        await chord('o')
        await heading('Overview')
        await tabTo('Log out', 'Shift+Tab')
        await page.keyboard.press('Enter')
        await heading('Log in')
        equal((await press('Shift')).name, 'Name', 'after logging out the login form has the focus')
    })
    check(faults.length === 0, 'after every key the focus was somewhere, could be seen and was not hidden', faults.join('\n'))
    quiet(page, 'and no message stood in the console')
    await context.close()
}
