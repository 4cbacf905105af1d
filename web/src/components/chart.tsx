// SPDX-License-Identifier: Apache-2.0
// A time series as stacked bars, with uPlot; the values under the pointer stand in the legend, and all of them in a table.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import uPlot from 'uplot'
import { compact, number, say, when } from '../lib/format'
import { texts } from '../texts'

export interface Series {
    key: string
    name: string
    /** A custom property: --accept. */
    colour: string
    values: number[]
}
interface ChartProps {
    label: string
    /** Seconds since 1970, evenly spaced. */
    times: number[]
    step: number
    series: Series[]
    height?: number
    /** A stretch was marked with the pointer. */
    onSelect?: (from: number, to: number) => void
}

const colourOf = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

/** Sums from below, so that the first series lies at the bottom. */
function stack(series: Series[]): number[][] {
    const sums: number[][] = []
    series.forEach((one, index) => sums.push(one.values.map((value, at) => value + (sums[index - 1]?.[at] ?? 0))))
    return sums
}

function bars(step: number): uPlot.Series.PathBuilder {
    return (plot, seriesIndex, from, to) => {
        const path = new Path2D()
        const [times, values] = [plot.data[0], plot.data[seriesIndex] as number[]]
        const width = Math.max(1, Math.abs(plot.valToPos((times[0] ?? 0) + step, 'x', true) - plot.valToPos(times[0] ?? 0, 'x', true)))
        const gap = width > 5 ? Math.min(3, width * 0.18) : 0
        const floor = plot.valToPos(0, 'y', true)
        for (let at = from; at <= to; at++) {
            const value = values[at]
            if (!value) continue
            const left = plot.valToPos(times[at] as number, 'x', true)
            const top = plot.valToPos(value, 'y', true)
            path.rect(left + gap / 2, top, width - gap, floor - top)
        }
        return { fill: path, stroke: null as unknown as Path2D }
    }
}

export default function Chart({ label, times, step, series, height = 220, onSelect }: ChartProps) {
    const element = useRef<HTMLDivElement>(null)
    const plot = useRef<uPlot | null>(null)
    const select = useRef(onSelect)
    select.current = onSelect
    const [at, setAt] = useState<number | null>(null)
    const [theme, setTheme] = useState(0)
    const stacked = useMemo(() => stack(series), [series])
    // Drawn from the highest sum down: what lies lower is painted over it.
    const data = useMemo(() => [times, ...[...stacked].reverse()] as uPlot.AlignedData, [times, stacked])
    const shape = series.map(one => one.key + one.colour).join() + step + height + theme

    useEffect(() => {
        const again = (): void => setTheme(count => count + 1)
        addEventListener('themechange', again)
        return () => removeEventListener('themechange', again)
    }, [])

    useEffect(() => {
        const box = element.current
        if (!box) return
        const axis = { stroke: colourOf('--soft'), font: `12px ${getComputedStyle(document.body).fontFamily}`, ticks: { show: false }, grid: { stroke: colourOf('--line'), width: 1 } }
        const made = new uPlot(
            {
                width: box.clientWidth,
                height,
                padding: [8, 22, 0, 0],
                legend: { show: false },
                cursor: { y: false, points: { show: false }, drag: { x: !!select.current, y: false, setScale: false } },
                scales: {
                    x: { range: (_, low, high) => [low, high + step] },
                    y: { range: (_, __, high) => [0, Math.max(4, high * 1.08)] },
                },
                axes: [
                    { ...axis, grid: { show: false }, space: 64, size: 30, values: (_, splits) => splits.map((value, index) => axisTime(value, splits[index - 1])) },
                    { ...axis, size: 44, space: 40, values: (_, splits) => splits.map(value => (Number.isInteger(value) ? compact(value) : '')) },
                ],
                series: [{}, ...[...series].reverse().map(one => ({ fill: colourOf(one.colour), width: 0, points: { show: false }, paths: bars(step) }))],
                hooks: {
                    setCursor: [(self: uPlot) => setAt(self.cursor.idx ?? null)],
                    setSelect: [(self: uPlot) => {
                        if (self.select.width < 6) return
                        select.current?.(self.posToVal(self.select.left, 'x'), self.posToVal(self.select.left + self.select.width, 'x'))
                        self.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false)
                    }],
                },
            },
            data,
            box,
        )
        plot.current = made
        const watch = new ResizeObserver(() => made.setSize({ width: box.clientWidth, height }))
        watch.observe(box)
        return () => {
            watch.disconnect()
            made.destroy()
            plot.current = null
        }
        // The data has an effect of its own.
    }, [shape])
    useEffect(() => plot.current?.setData(data), [data])

    const shown = at !== null && times[at] !== undefined ? at : null
    const keys = (event: KeyboardEvent): void => {
        const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
        const self = plot.current
        if (!move || !self) return
        event.preventDefault()
        const next = Math.min(times.length - 1, Math.max(0, (at ?? times.length) + move))
        self.setCursor({ left: self.valToPos((times[next] ?? 0) + step / 2, 'x'), top: 10 })
        setAt(next)
    }
    return (
        <figure class="chart" aria-label={label}>
            <div class="legend" aria-live="off">
                {series.map(one => (
                    <span key={one.key}>
                        <i style={{ background: `var(${one.colour})` }} />
                        {one.name}
                        {shown !== null && <b>{number(one.values[shown] ?? 0)}</b>}
                    </span>
                ))}
                <span class="at">{shown === null ? '' : stretch(times[shown] as number, step)}</span>
            </div>
            <div class="plot" ref={element} tabIndex={0} role="img" aria-label={`${label}. ${texts.chart.keys}`} onKeyDown={keys} />
            <details>
                <summary>{texts.chart.table}</summary>
                <div class="table-wrap" tabIndex={0} role="region" aria-label={say(texts.table.scrolls, { label })}>
                    <table>
                        <thead>
                            <tr>
                                <th scope="col">{texts.chart.time}</th>
                                {series.map(one => <th key={one.key} scope="col" class="end">{one.name}</th>)}
                            </tr>
                        </thead>
                        <tbody>
                            {times.map((time, index) => (
                                <tr key={time}>
                                    <td>{when(new Date(time * 1000).toISOString())}</td>
                                    {series.map(one => <td key={one.key} class="end">{number(one.values[index] ?? 0)}</td>)}
                                </tr>
                            )).reverse()}
                        </tbody>
                    </table>
                </div>
            </details>
        </figure>
    )
}

const hour = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hour12: false })
const date = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric' })
function axisTime(seconds: number, before: number | undefined): string {
    const now = new Date(seconds * 1000)
    const changes = before === undefined ? false : new Date(before * 1000).getDate() !== now.getDate()
    return changes || (now.getHours() === 0 && now.getMinutes() === 0) ? date.format(now) : hour.format(now)
}
function stretch(from: number, step: number): string {
    if (step >= 86400) return date.format(from * 1000)
    return `${date.format(from * 1000)} ${hour.format(from * 1000)}–${hour.format((from + step) * 1000)}`
}
