// SPDX-License-Identifier: Apache-2.0
// The focus is never lost. When what has it goes away or is switched off, its neighbour in the same list takes it, else what
// had it before, else the page: who works by keyboard goes on from there.
const STOPS = 'a[href],button:not(:disabled),input:not(:disabled),select:not(:disabled),textarea:not(:disabled),summary,[tabindex="0"]'
const ZONES = 'tbody,ul,ol,.filters,.row'
const REMEMBERED_MAX = 12

/** What had the focus, the newest first. */
let before: HTMLElement[] = []
let zone: Element | null = null
let place = 0

const stops = (within: Element): HTMLElement[] => [...within.querySelectorAll<HTMLElement>(STOPS)].filter(usable)
function usable(element: HTMLElement): boolean {
    const modal = [...document.querySelectorAll('dialog[open]')].at(-1)
    return element.isConnected && !element.matches(':disabled') && element.getClientRects().length > 0 && (!modal || modal.contains(element))
}

function taken(event: FocusEvent): void {
    const element = event.target as HTMLElement
    before = [element, ...before.filter(one => one !== element)].slice(0, REMEMBERED_MAX)
    zone = element.closest(ZONES)
    place = zone ? stops(zone).indexOf(element) : 0
}

function look(): void {
    const [last] = before
    const has = document.activeElement
    if (!last || (last.isConnected && !last.matches(':disabled')) || (has && has !== document.body && has !== last)) return
    const near = zone?.isConnected ? stops(zone) : []
    const next = near[Math.min(Math.max(0, place), near.length - 1)] ?? before.find(usable) ?? document.getElementById('main')
    next?.focus()
}

export function keepFocus(): void {
    document.addEventListener('focusin', taken)
    // Where somebody points, nothing is to be kept until the next element has it.
    document.addEventListener('pointerdown', () => (before = []), true)
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true, attributeFilter: ['disabled'] })
}
