"""How the page of an evaluation looks: system fonts, one column that grows to two, colours for light and dark."""

STYLE = """
:root {
  color-scheme: light dark;
  --ground: #ffffff; --ink: #1c2530; --soft: #5b6675; --rule: #c9d0d9; --band: #f3f6f9;
  --accent: #0b62c4; --other: #8893a3;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #12171d; --ink: #e4e9ef; --soft: #9aa6b4; --rule: #3a4552; --band: #1b222b;
    --accent: #6cb2ff; --other: #7d8999;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 78rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; border-top: 1px solid var(--rule); padding-top: 1rem; }
p { max-width: 46rem; margin: .5rem 0; }
.lead { font-size: 1.1rem; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1.5rem; }
figure { margin: 1rem 0; overflow-x: auto; }
svg { display: block; width: 100%; height: auto; min-width: 24rem; max-width: 44rem; }
.broad svg { min-width: 36rem; max-width: 66rem; }
figcaption { color: var(--soft); font-size: .875rem; }
svg * { stroke-linejoin: round; }
.wide { overflow-x: auto; margin: 1.25rem 0; }
.wide:focus-visible { outline: 2px solid var(--accent); }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 0 0 .4rem; }
th, td { padding: .3rem .7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule); }
th:first-child { text-align: left; }
thead th { color: var(--soft); font-weight: 600; }
tbody th { font-weight: 400; }
tbody tr:nth-child(even) { background: var(--band); }
.marked th, .marked td { font-weight: 600; color: var(--accent); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; font-size: .875rem; }
dt { font-weight: 600; }
dd { margin: 0; color: var(--soft); }
details { margin: .5rem 0 1.5rem; }
summary { cursor: pointer; color: var(--accent); }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .5rem; } }
@media print { .wide { overflow: visible; } details > * { display: block; } }
"""
