"""One page to look at hidden states in a browser: values by layer and token, and the skip sets.

`grids` reads the statistics, `tokens` the texts of tokens, and `page` puts both into one HTML file, with
`page.html`, `page.css` and three scripts: `data.js`, `map.js` and `page.js`.
"""
