// Creatures: which types and kinds, whole numbers that add up, and names.
const code = (values, o) => values.indexOf(o)

function knownCombinations(m, n, rng, allowed) {
  const cats = Object.entries(m.about.cats), width = cats.length + 1, all = m.tables.combinations
  const rows = []
  for (let i = 0; i < all.length; i += width) rows.push([...all.subarray(i, i + width)])
  const fit = rows.filter(r => cats.every(([c, values], i) => !allowed[c] || allowed[c].includes(values[r[i]])))
  if (!fit.length) return null
  let total = 0
  const ends = fit.map(r => total += r[width - 1]), at = []
  for (let b = 0; b < n; b += 1024) {
    const p = rng.permutation(1024), u = rng.double()
    at.push(...p.map(o => (o + u) / 1024))
  }
  return at.slice(0, n).map(o => fit[ends.findIndex(e => e > o * total)])
}

function chooseCategories(m, n, allowed, seed) {
  const rng = what => new Random(seed, `creatures/${what}`), cats = Object.entries(m.about.cats)
  const codes = Array.from({length: n}, () => cats.map(() => 0)), given = Array.from({length: n}, () => cats.map(() => 0))
  cats.forEach(([c, values], i) => {
    if (!allowed[c]) return
    const r = rng(c)
    for (let j = 0; j < n; j++) { codes[j][i] = code(values, allowed[c][r.below(allowed[c].length)]); given[j][i] = 1 }
  })
  const known = knownCombinations(m, n, rng('combinations'), allowed)
  if (!known) return {codes, given}
  const novel = rng('novel'), least = Object.keys(allowed).length ? 0 : m.about.novel
  for (let j = 0; j < n; j++) if (novel.double() >= least) { codes[j] = known[j].slice(0, cats.length); given[j] = cats.map(() => 1) }
  return {codes, given}
}

// Whole numbers near `y`, in range, that add up to the total; a value that is `heaped` is a multiple of five
function settle(m, y, heaped, total) {
  const {lo, hi} = m.tables, k = y.length, five = o => o % 5 == 0
  const other = o => { const near = rint(o); return five(near) ? (o > near ? near + 1 : near - 1) : near }
  const v = Array.from(y, (o, j) => {
    const up = clip(f32(rint(f32(o / 5)) * 5), Math.ceil(lo[j] / 5) * 5, Math.floor(hi[j] / 5) * 5)
    return clip(heaped[j] > .5 ? up : other(o), lo[j], hi[j])
  })
  for (let it = 0; it < 400; it++) {
    const missing = total - sum(v)
    if (!missing) break
    const size = Math.abs(missing), sign = Math.sign(missing), big = Math.max(Math.floor(size / 30), 1)
    let best = -1, gain = -Infinity, move = 0
    for (let j = 0; j < k; j++) {
      const h = heaped[j] > .5
      let step = h ? 5 * big : Math.min(size, 4 * big)
      if (it > 6) step = Math.min(step, size)
      const to = v[j] + sign * step
      let g = f32(f32(f32(f32(y[j] - v[j]) * sign) - step / 2) - 2 * (five(to) && !h))
      g = f32(g - 3 * (step > size))
      if (it > 6) g = f32(f32(g - 5 * (h && step % 5 != 0)) - f32(f32(.37) * ((j + it) % k)))
      if (to < lo[j] || to > hi[j]) g = -1e9
      if (g > gain) { gain = g; best = j; move = g > -1e8 ? sign * step : 0 }
    }
    v[best] += move
  }
  return v
}

async function drawRows(m, codes, total, given, seed) {
  const n = codes.length, dim = m.about.noise_dim, sizes = Object.values(m.about.cats).map(o => o.length), k = m.about.nums.length
  const uniform = (name, width) => new Random(seed, `creatures/${name}`).floats(n * width)
  const cond = (c, g) => [['int64', longs(c.flat()), [n, sizes.length]], ['float32', Float32Array.from(total), [n, 1]],
                          ['float32', Float32Array.from(g.map((o, i) => [...o, +(total[i] > 0)]).flat()), [n, sizes.length + 1]]]
  if (given.flat().some(o => !o)) {
    const parts = sizes.map((s, i) => uniform(`category ${i}`, s)), width = sum(sizes), u = new Float32Array(n * width)
    for (let r = 0; r < n; r++) for (let i = 0, at = r * width; i < sizes.length; at += sizes[i++]) u.set(parts[i].subarray(r * sizes[i], (r + 1) * sizes[i]), at)
    const z = normal(seed, 'creatures/first z', n * dim)
    const [out] = await run('creatures', 'categories', ...cond(codes, given), ['float32', z, [n, dim]], ['float32', u, [n, width]])
    codes = codes.map((_, r) => sizes.map((_, i) => Number(out.data[r * sizes.length + i])))
    given = given.map(o => o.map(() => 1))
  }
  const z = normal(seed, 'creatures/z', n * dim)
  const [y, heaped, sums] = await run('creatures', 'numbers', ...cond(codes, given), ['float32', z, [n, dim]],
    ['float32', uniform('heaped', k), [n, k]], ['float32', uniform('all heaped', 1), [n, 1]], ['float32', uniform('round total', 1), [n, 1]])
  const row = (a, r) => a.data.subarray(r * k, (r + 1) * k)
  return {codes, values: codes.map((_, r) => settle(m, row(y, r), row(heaped, r), rint(sums.data[r])))}
}

// Odds of the next letter after any three, cumulative, by Witten-Bell smoothing; a type's own names count thrice
const letterOdds = {}
function oddsOf(m, type) {
  if (letterOdds[type]) return letterOdds[type]
  const K = 27, seqs = m.about.names.map(([name, ...types]) => ({w: types.includes(type) ? 3 : 1, s: [0, 0, 0, ...[...name].map(c => c.charCodeAt(0) - 96), 0]}))
  let odds = new Float64Array(K).fill(1 / K)
  for (let order = 0; order < 4; order++) {
    const rows = K ** order, count = new Float64Array(rows * K), next = new Float64Array(rows * K)
    for (const {w, s} of seqs) for (let i = 3; i < s.length; i++) {
      let at = 0
      for (let j = i - order; j < i; j++) at = at * K + s[j]
      count[at * K + s[i]] += w
    }
    for (let r = 0; r < rows; r++) {
      const own = count.subarray(r * K, r * K + K), from = order ? (r % K ** (order - 1)) * K : 0
      let seen = 0, total = 0
      for (let c = 0; c < K; c++) if (own[c]) { total += own[c]; seen++ }
      if (!seen) { next.set(odds.subarray(from, from + K), r * K); continue }
      const kinds = 1.6 * seen
      for (let c = 0; c < K; c++) next[r * K + c] = (own[c] + kinds * odds[from + c]) / (total + kinds)
    }
    odds = next
  }
  const sums = new Float32Array(odds.length)
  for (let r = 0; r < odds.length; r += K) for (let c = 0, t = 0; c < K; c++) sums[r + c] = t += odds[r + c]
  return letterOdds[type] = sums
}
function drawNames(odds, n, rng) {
  const state = new Array(n).fill(0), names = new Array(n).fill('')
  let growing = names.map((_, i) => i)
  for (let j = 0; j < 12; j++) {
    const u = rng.floats(growing.length)
    growing = growing.filter((o, i) => {
      let c = 0
      while (c < 26 && u[i] > odds[state[o] * 27 + c]) c++
      if (c) { names[o] += String.fromCharCode(96 + c); state[o] = state[o] * 27 % 19683 + c }
      return c > 0
    })
  }
  growing.forEach(i => { names[i] = '' })                 // too long
  return names.filter(o => o)
}
const UNSAID = /[^aeiouy]{4}|[aeiou]{3}|(.)\1\1|^[^aeiouy]{3}|[^aeiouy]{3}$|q[^u]|[jqv]$/
const oneLeftOut = s => [s, ...[...s].map((_, i) => s.slice(0, i) + s.slice(i + 1))]
const nearNames = new Set()
function inventNames(m, types, seed) {
  if (!nearNames.size) for (const s of m.about.taken) for (const o of oneLeftOut(s)) nearNames.add(o)
  const seen = new Set(), fresh = s => !seen.has(s) && s.length >= 4 && s.length <= 11 && /[aeiouy]/.test(s.slice(0, 3)) && !UNSAID.test(s) && !oneLeftOut(s).some(o => nearNames.has(o))
  function* namesOf(t) {
    const rng = new Random(seed, `creatures/names ${t}`), odds = oddsOf(m, t)
    for (let i = 0; ; i++) for (const s of drawNames(odds, Math.min(64 * 2 ** Math.floor(i / 8), 4096), rng))
      if (fresh(s)) { seen.add(s); yield s[0].toUpperCase() + s.slice(1) }
  }
  const sources = {}
  return types.map(t => (sources[t] ||= namesOf(t)).next().value)
}

// `allowed` is {column: values that will do}; `total` 0 leaves it open. The same as `generate_creatures` draws
draw.creatures = async (n, allowed, total, seed) => {
  const m = models.creatures, size = Math.ceil(n / 16) * 16, names = Object.keys(m.about.cats)
  let {codes, given} = chooseCategories(m, size, allowed, seed)
  if (total) {
    const own = stream(seed, 'creatures/pool'), pool = chooseCategories(m, 4096, allowed, own)
    const some = await drawRows(m, pool.codes, pool.codes.map(() => 0), pool.given, own)
    const far = some.values.map((v, i) => [Math.abs(sum(v) - total), i]).sort((a, b) => a[0] - b[0] || a[1] - b[1])
    const rng = new Random(own, 'creatures/which')
    codes = codes.map(() => some.codes[far[rng.below(128)][1]])
    given = given.map(o => o.map(() => 1))
  }
  const rows = await drawRows(m, codes, codes.map(() => total), given, seed)
  const text = rows.codes.slice(0, n).map(c => names.map((k, i) => m.about.cats[k][c[i]]))
  const called = inventNames(m, text.map(o => o[0]), seed)
  return text.map((o, i) => ({name: called[i], types: o.slice(0, 2), kind: o[2], stats: rows.values[i], total: sum(rows.values[i])}))
}
