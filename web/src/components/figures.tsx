// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from 'preact'
import { compact, number, percent } from '../lib/format'
import { say } from '../lib/format'
import { texts } from '../texts'

/** A small course of values, without axes: what the number beside it did. */
export function Spark({ values }: { values: number[] }) {
    if (values.length < 2) return null
    const top = Math.max(1, ...values)
    const points = values.map((value, at) => `${((100 * at) / (values.length - 1)).toFixed(2)} ${(27 - (25 * value) / top).toFixed(2)}`)
    const line = 'M' + points.join('L')
    return (
        <svg class="spark" viewBox="0 0 100 28" preserveAspectRatio="none" aria-hidden="true">
            <path class="fill" d={`${line}L100 28L0 28z`} />
            <path d={line} />
        </svg>
    )
}

interface TileProps {
    name: string
    value: number | string
    unit?: string
    under?: ComponentChildren
    href?: string
    mark?: string
    spark?: number[]
}
export function Tile({ name, value, unit, under, href, mark, spark }: TileProps) {
    const inside = (
        <>
            <span class="name">{mark && <i />}{name}</span>
            <span class="figure">
                {typeof value === 'number' ? <span title={number(value)}>{compact(value)}</span> : value}
                {unit && <small>{unit}</small>}
            </span>
            {under !== undefined && <span class="under">{under}</span>}
            {spark && <Spark values={spark} />}
        </>
    )
    const style = mark ? { '--mark': `var(${mark})` } : {}
    return href ? <a class="tile" href={href} style={style}>{inside}</a> : <div class="tile" style={style}>{inside}</div>
}

/** How a number stands to the one of the period before. */
export function change(now: number, before: number | undefined): string {
    if (before === undefined) return ''
    if (!before) return now ? texts.change.fresh : texts.change.same
    const share = (100 * (now - before)) / before
    if (Math.abs(share) < 0.5) return texts.change.same
    if (share >= 300) return say(texts.change.before, { before: compact(before) })
    return say(share > 0 ? texts.change.more : texts.change.less, { n: String(Math.round(Math.abs(share))), before: compact(before) })
}

export interface Bar {
    key: string
    label: ComponentChildren
    count: number
    href?: string
    parts?: { kind: string; count: number }[]
}
export function BarList({ bars, total, label }: { bars: Bar[]; total?: number; label: string }) {
    const top = Math.max(1, ...bars.map(bar => bar.count))
    const all = total ?? bars.reduce((sum, bar) => sum + bar.count, 0)
    return (
        <ul class="bars" aria-label={label}>
            {bars.map(bar => {
                const inside = (
                    <>
                        <span class="cut">{bar.label}</span>
                        <span class="share">{percent(bar.count, all)}</span>
                        <span class="amount" title={number(bar.count)}>{compact(bar.count)}</span>
                        <span class="track" aria-hidden="true">
                            {(bar.parts ?? [{ kind: 'accent', count: bar.count }]).map(part => (
                                <i key={part.kind} class={part.kind} style={{ width: `${(100 * part.count) / top}%` }} />
                            ))}
                        </span>
                    </>
                )
                return <li key={bar.key}>{bar.href ? <a href={bar.href}>{inside}</a> : <span class="plain-row">{inside}</span>}</li>
            })}
        </ul>
    )
}
