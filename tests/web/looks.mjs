// SPDX-License-Identifier: Apache-2.0
// Every page in light, in dark and in a narrow window: what it shows, axe, no overflow, no message; and how much it loads.
import { BASE, check, complained, open, person, settled, story, violations } from './browser.mjs'
import { PAGES } from './pages.mjs'

const WIDE = { width: 1366, height: 900 }
// One load of a page is looked at in all three: the system turns dark, the window turns narrow, as for a person.
const MODES = [['light', 'light', WIDE], ['dark', 'dark', WIDE], ['360 pixels wide', 'light', { width: 360, height: 740 }]]
/** So many pages at a time; the browser has a process for each. */
const LANES = 2

async function look(page, path, shows) {
    for (const [mode, colorScheme, viewport] of MODES) {
        await story(`${path} (${mode})`, async () => {
            await page.emulateMedia({ colorScheme })
            await page.setViewportSize(viewport)
            if (mode === 'light') await page.goto(BASE + path)
            await settled(page)
            await page.getByText(shows).first().waitFor({ state: 'attached' })
            // The page hears of it by an event of its own.
            await page.waitForFunction(wanted => document.documentElement.dataset.theme === wanted, colorScheme, { timeout: 5000 })
                .catch(() => {})
            const painted = await page.evaluate(() => document.documentElement.dataset.theme)
            const broken = await violations(page)
            const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
            const said = complained(page)
            check(broken.length === 0 && wide <= 0 && said.length === 0 && painted === colorScheme,
                `${path} (${mode}): shows "${shows}", accessible, fits, says nothing to the console`,
                [...broken, wide > 0 ? `overflows by ${wide} pixels` : '', painted === colorScheme ? '' : `painted ${painted}`, ...said].filter(Boolean).join('\n'))
        })
    }
}

export async function looks(cookies) {
    const rest = [...PAGES]
    await Promise.all(Array.from({ length: LANES }, async () => {
        const context = await person()
        await context.addCookies(cookies)
        const page = await open(context)
        for (let next = rest.shift(); next; next = rest.shift()) await look(page, ...next)
        await context.close()
    }))
}

export async function budget(cookies) {
    await story('budget', async () => {
        const context = await person()
        await context.addCookies(cookies)
        const fresh = await open(context)
        const sizes = []
        fresh.on('requestfinished', async request => {
            if (request.resourceType() === 'script') sizes.push((await request.sizes()).responseBodySize)
        })
        await fresh.goto(BASE + '/policies', { waitUntil: 'networkidle' })
        await settled(fresh)
        const sum = sizes.reduce((a, b) => a + b, 0)
        check(sum > 5000 && sum < 60000, `the first page needs ${sum} bytes of script on the wire: under 60000`, sizes.join())
        await context.close()
    })
}
