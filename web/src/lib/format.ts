// SPDX-License-Identifier: Apache-2.0
// Numbers, times and sizes as the reader's language writes them.
import { texts } from '../texts'

const language = navigator.language || 'en'
const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 })
const short = new Intl.NumberFormat(language, { notation: 'compact', maximumFractionDigits: 1 })
const oneDigit = new Intl.NumberFormat(language, { maximumFractionDigits: 1 })
const clock = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false })
const dayClock = new Intl.DateTimeFormat(language, { month: 'short', day: '2-digit', hour: '2-digit', minute: '2-digit', hour12: false })
const dayTime = new Intl.DateTimeFormat(language, {
    year: 'numeric', month: 'short', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false, timeZoneName: 'short',
})
const dayOnly = new Intl.DateTimeFormat(language, { year: 'numeric', month: 'short', day: '2-digit' })
const ago = new Intl.RelativeTimeFormat(language, { numeric: 'auto', style: 'short' })
const plurals = new Intl.PluralRules(language)

export const zone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone
export const number = (value: number): string => whole.format(value)
export const compact = (value: number): string => (Math.abs(value) < 10000 ? whole.format(value) : short.format(value))
export const decimal = (value: number): string => oneDigit.format(value)
export const percent = (part: number, all: number): string => (all > 0 ? oneDigit.format((100 * part) / all) + ' %' : '–')

/** Puts `{name}` members into a text. */
export function say(text: string, members: Record<string, string | number> = {}): string {
    return text.replace(/\{(\w+)\}/g, (whole_, name: string) => {
        const value = members[name]
        return value === undefined ? whole_ : typeof value === 'number' ? number(value) : value
    })
}
/** One of two texts, by the plural rules of the language; `{count}` is the number. */
export function plural(count: number, forms: { one: string; other: string }, members: Record<string, string | number> = {}): string {
    return say(plurals.select(count) === 'one' ? forms.one : forms.other, { count, ...members })
}

export function time(text: string): string {
    return clock.format(new Date(text))
}
/** The time alone when it was today, else with the day. */
export function when(text: string): string {
    const date = new Date(text)
    return date.toDateString() === new Date().toDateString() ? clock.format(date) : dayClock.format(date)
}
export const exact = (text: string): string => dayTime.format(new Date(text))
export const day = (text: string): string => dayOnly.format(new Date(text))
export const utc = (text: string): string => new Date(text).toISOString().replace('T', ' ').replace(/\.\d+Z/, ' UTC')

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]]
export function relative(text: string): string {
    const seconds = (Date.parse(text) - Date.now()) / 1000
    for (const [unit, length] of STEPS) {
        if (Math.abs(seconds) >= length || unit === 'second') return ago.format(Math.round(seconds / length), unit)
    }
    return ''
}

export function duration(seconds: number): string {
    const T = texts.units
    if (seconds > 0 && seconds < 1) return say(T.ms, { n: Math.round(seconds * 1000) })
    const parts: string[] = []
    let rest = Math.round(seconds)
    for (const [unit, length] of [['d', 86400], ['h', 3600], ['min', 60], ['s', 1]] as const) {
        const count = Math.floor(rest / length)
        rest -= count * length
        if (count) parts.push(say(T[unit], { n: count }))
        if (parts.length === 2) break
    }
    return parts.join(' ') || say(T.s, { n: 0 })
}

export function bytes(count: number): string {
    const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
    let at = 0
    let value = count
    while (value >= 1024 && at < units.length - 1) {
        value /= 1024
        at++
    }
    return `${at && value < 100 ? oneDigit.format(value) : whole.format(value)} ${units[at]}`
}
export const microseconds = (count: number): string => (count < 1000 ? `${whole.format(count)} µs` : `${oneDigit.format(count / 1000)} ms`)

const regions = new Intl.DisplayNames([language], { type: 'region' })
export function country(code: string): string {
    try {
        return regions.of(code) ?? code
    } catch {
        return code
    }
}
