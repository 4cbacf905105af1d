// SPDX-License-Identifier: Apache-2.0
// Light or dark, as chosen or as the system has it, decided before the first paint: whoever has it dark sees no flash of white.
// The style sheet knows what stands in data-theme alone.
const system = matchMedia('(prefers-color-scheme: dark)')
function paint(): void {
    const chosen = localStorage.getItem('theme')
    document.documentElement.dataset.theme = chosen === 'light' || chosen === 'dark' ? chosen : system.matches ? 'dark' : 'light'
}
paint()
addEventListener('themechange', paint)
system.addEventListener('change', () => dispatchEvent(new Event('themechange')))
