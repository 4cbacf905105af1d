// SPDX-License-Identifier: Apache-2.0
// Runs before the first paint, so that whoever chose dark sees no flash of white.
const chosen = localStorage.getItem('theme')
if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen
