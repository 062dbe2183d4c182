// Frames: noise and a scene, and a closed walk through both.
function frameNoise(m, n, seed, track, truncation = 1) {
  const {latent, scenes, tracks, each} = m.about, z = normal(seed, 'frames/noise', n * latent).map(o => f32(o * f32(truncation)))
  const all = sum(scenes)
  let w = scenes.map(o => o / Math.max(1, all))
  if (track) {
    w = w.map((o, i) => Math.floor(i / each) == tracks.indexOf(track) ? o : 0)
    const own = sum(w)
    w = w.map(o => o / own)
  }
  let t = 0
  const ends = w.map(o => t += o).slice(0, -1), rng = new Random(seed, 'frames/scene')
  return Array.from({length: n}, (_, i) => {
    const u = scenes.length ? rng.double() : 0, at = ends.findIndex(e => e > u), scene = at < 0 ? scenes.length - 1 : at
    return Float32Array.from([...z.subarray(i * latent, (i + 1) * latent), ...scenes.map((_, j) => +(j == scene))])
  })
}
async function drawFrame(z) {
  const [out] = await run('frames', 'frames', ['float32', z, [1, z.length]])
  return out.data
}
draw.frame = async (seed, track, i = 0) => drawFrame(frameNoise(models.frames, i + 1, seed, track)[i])

// Frame `i` of `steps` along a walk that passes `stops` points and returns to the first, as `frame_walk` goes it
const stopsOf = {}
draw.walk = async (i, steps, stops, seed, track) => {
  const m = models.frames, {latent} = m.about, key = [stops, seed, track].join()
  if (stopsOf.key != key) Object.assign(stopsOf, {key, z: frameNoise(m, stops, seed, track)})
  const at = i / steps * stops, k = Math.floor(at), u = at % 1
  const ends = [k % stops, (k + 1) % stops].map(j => {
    const z = stopsOf.z[j], long = Math.sqrt(sum(z.subarray(0, latent).map(o => o * o)))
    return {p: [...z.subarray(0, latent)].map(o => o / long * latent ** .5), scene: [...z.subarray(latent)]}
  })
  const [a, b] = ends, angle = Math.acos(sum(a.p.map((o, j) => o * b.p[j])) / latent)
  const p = a.p.map((o, j) => (Math.sin((1 - u) * angle) * o + Math.sin(u * angle) * b.p[j]) / Math.sin(angle))
  const scene = a.scene.map((o, j) => (1 - u) * o + u * b.scene[j])
  return drawFrame(Float32Array.from([...p, ...scene]))
}
