// SPDX-License-Identifier: Apache-2.0
// From the counts per minute, hour or day to evenly spaced series.
import type { Minute, Verdict } from './types'

export type RangeKey = '1h' | '24h' | '7d' | '30d'
export const RANGES: Record<RangeKey, { seconds: number; step: number; ask: number; since: string }> = {
    '1h': { seconds: 3600, step: 60, ask: 60, since: '-1h' },
    '24h': { seconds: 86400, step: 1800, ask: 60, since: '-24h' },
    '7d': { seconds: 604800, step: 21600, ask: 3600, since: '-7d' },
    '30d': { seconds: 2592000, step: 86400, ask: 86400, since: '-30d' },
}
export const rangeOf = (text: string | null): RangeKey => (text && text in RANGES ? (text as RangeKey) : '24h')

export interface Flow {
    times: number[]
    step: number
    counts: Record<Verdict, number[]>
    total: number[]
}
/** `keep` picks what is counted. Shadow counts are left out: those decisions were answered otherwise. */
export function flow(items: Minute[], range: RangeKey, keep: (item: Minute) => boolean = () => true): Flow {
    const { seconds, step } = RANGES[range]
    // Days and their parts begin where they begin for the reader.
    const shift = step >= 3600 ? new Date().getTimezoneOffset() * 60 : 0
    const last = Math.floor((Date.now() / 1000 - shift) / step) * step + shift
    const length = Math.ceil(seconds / step)
    const first = last - (length - 1) * step
    const times = Array.from({ length }, (_, index) => first + index * step)
    const zeros = (): number[] => new Array<number>(length).fill(0)
    const counts = { accept: zeros(), defer: zeros(), reject: zeros() }
    for (const item of items) {
        if (item.shadow || !keep(item)) continue
        const at = Math.floor((Date.parse(item.time) / 1000 - first) / step)
        const of = counts[item.verdict]
        if (of && at >= 0 && at < length) of[at] = (of[at] ?? 0) + item.count
    }
    return { times, step, counts, total: times.map((_, at) => (counts.accept[at] ?? 0) + (counts.defer[at] ?? 0) + (counts.reject[at] ?? 0)) }
}
