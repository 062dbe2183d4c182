// Monsters: noise and features of a seed, styles, sprites.
function monsterNoise(m, seed, cls) {
  const {latent, features, blur} = m.about, z = [...normal(seed, 'monsters/latents', latent)]
  if (!features) return Float32Array.from(z)
  const {rows, y} = m.tables, same = [...y.keys()].filter(i => y[i] == cls)
  const at = same[Math.floor(new Random(seed, 'monsters/latents, pick').float() * same.length)] * features
  const noise = normal(seed, 'monsters/latents, features', features)
  return Float32Array.from([...z, ...noise.map((o, i) => f32(rows[at + i] + f32(blur * o)))])
}

// Parts of fewer than six pixels go, and veils apart from the figure
function removeSpecks(x, h, w, speck = 6, faint = 26) {
  const n = h * w, part = new Int32Array(n).fill(-1), keep = new Uint8Array(n), around = i => {
    const r = Math.floor(i / w), c = i % w, all = []
    for (let a = Math.max(0, r - 1); a <= Math.min(h - 1, r + 1); a++) for (let b = Math.max(0, c - 1); b <= Math.min(w - 1, c + 1); b++) all.push(a * w + b)
    return all
  }
  for (let i = 0; i < n; i++) {
    if (part[i] >= 0 || x[3 * n + i] < faint) continue
    const found = [i]
    part[i] = i
    for (let k = 0; k < found.length; k++) for (const j of around(found[k])) if (part[j] < 0 && x[3 * n + j] >= faint) { part[j] = i; found.push(j) }
    if (found.length >= speck) for (const j of found) for (const o of around(j)) keep[o] = 1
  }
  return x.map((o, i) => o * keep[i % n])
}

// Styles of all layers of {from, cls, seed, truncation, shift}, `from` being the name of the weights; of a cross, the later layers are those of its `mate`
async function stylesOf({from = 'monsters', cls, seed, truncation, shift, mate, at}) {
  const m = models[from], {layers, style, classes, traits} = m.about, y = classes.indexOf(cls)
  const z = monsterNoise(m, seed, y)
  const [w] = await run(from, 'styles', ['float32', z, [1, z.length]], ['int64', longs([y]), [1]], ['float32', Float32Array.of(truncation), [1]])
  const own = w.data.map((o, j) => { for (let k = 0; k < traits; k++) o += (shift?.[k] || 0) * m.tables.directions[k * style + j]; return o })
  const ws = new Float32Array(layers * style)
  for (let l = 0; l < layers; l++) ws.set(own, l * style)
  if (mate) ws.set((await stylesOf(mate)).subarray(at * style), at * style)
  return ws
}
draw.monster = async recipe => {
  const from = recipe.from || 'monsters', {layers, style, size} = models[from].about
  const [out] = await run(from, 'pictures', ['float32', await stylesOf(recipe), [1, layers, style]])
  return removeSpecks(Uint8Array.from(out.data), size, size)
}
