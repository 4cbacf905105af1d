// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Problem } from '../lib/api'
import { plural, say } from '../lib/format'
import type { List } from '../lib/resource'
import { texts } from '../texts'
import { Button, ErrorBox, Skeleton } from './ui'

export interface Column<T> {
    key: string
    title: ComponentChildren
    cell: (row: T) => ComponentChildren
    /** Classes of its cells: end, fit, max, acts, hide-narrow, hide-medium, hide-wide. */
    as?: string
    /** Sorted by it, and how; `toggle` turns it round. */
    sort?: { up: boolean; toggle: () => void }
    /** For the eye there is nothing to say above it. */
    quiet?: boolean
}

interface TableProps<T> {
    label: string
    columns: Column<T>[]
    rows: T[]
    id: (row: T) => string
    /** `byKey`: with Enter, so that the focus is to follow. */
    onOpen?: (row: T, byKey: boolean) => void
    here?: string | null
    fresh?: Set<string>
}
/** A native table. Rows that open something take the focus with j and k, and open with Enter. */
export function Table<T>({ label, columns, rows, id, onOpen, here, fresh }: TableProps<T>) {
    const wrap = useRef<HTMLDivElement>(null)
    const [scrolls, setScrolls] = useState(false)
    useEffect(() => {
        const element = wrap.current
        if (!element) return
        const look = (): void => setScrolls(element.scrollWidth > element.clientWidth + 1)
        const watch = new ResizeObserver(look)
        watch.observe(element)
        look()
        return () => watch.disconnect()
    }, [rows.length])
    const opens = (row: T) => (event: MouseEvent | KeyboardEvent) => {
        if (!onOpen) return
        if ((event.target as Element).closest('a,button,input,select,label') && event.target !== event.currentTarget) return
        if (event instanceof KeyboardEvent && event.key !== 'Enter') return
        if (event instanceof MouseEvent && getSelection()?.toString()) return
        event.preventDefault()
        onOpen(row, event instanceof KeyboardEvent)
    }
    return (
        <div class="table-wrap" ref={wrap} {...(scrolls ? { tabIndex: 0, role: 'region', 'aria-label': say(texts.table.scrolls, { label }) } : {})}>
            <table>
                <caption class="hidden">{label}</caption>
                <thead>
                    <tr>
                        {columns.map(column => (
                            <th key={column.key} scope="col" class={column.as?.replace(/\bmax2?\b|\bfit\b/g, '')} aria-sort={column.sort ? (column.sort.up ? 'ascending' : 'descending') : undefined}>
                                {column.quiet ? <span class="hidden">{column.title}</span> : column.sort
                                    ? <button type="button" class="sort" onClick={column.sort.toggle}>{column.title} <span aria-hidden="true">{column.sort.up ? '↑' : '↓'}</span></button> : column.title}
                            </th>
                        ))}
                    </tr>
                </thead>
                <tbody>
                    {rows.map(row => {
                        const key = id(row)
                        return (
                            <tr key={key} class={`${here === key ? 'here' : ''} ${fresh?.has(key) ? 'fresh' : ''}`}
                                {...(onOpen ? { 'data-row': key, tabIndex: -1, onClick: opens(row), onKeyDown: opens(row) } : {})}>
                                {columns.map(column => <td key={column.key} class={column.as}>{column.cell(row)}</td>)}
                            </tr>
                        )
                    })}
                </tbody>
            </table>
        </div>
    )
}

interface ListTableProps<T> extends Omit<TableProps<T>, 'rows'> {
    list: List<T>
    empty: ComponentChildren
}
/** A table of a list that is read page by page. */
export function ListTable<T>({ list, empty, ...table }: ListTableProps<T>) {
    if (list.error && !list.items.length) return <ErrorBox error={list.error} retry={list.reload} />
    if (list.loading) return <Skeleton lines={8} />
    if (!list.items.length) return <>{empty}</>
    return (
        <>
            <Table {...table} rows={list.items} />
            <Foot count={list.items.length} more={list.more} busy={list.loadingMore} error={list.error} />
        </>
    )
}
export function Foot({ count, more, busy, error }: { count: number; more: (() => void) | null; busy: boolean; error: Problem | null }) {
    if (!more && count < 12 && !error) return null
    return (
        <div class="foot">
            <span class="num">{error ? error.message : plural(count, more ? texts.table.shownMore : texts.table.shown)}</span>
            {more && <Button slim onClick={more} busy={busy}>{busy ? texts.loading : texts.table.more}</Button>}
        </div>
    )
}
