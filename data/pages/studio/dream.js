// Dream: the frames that were, the keys that are held, and noise become the next frame.
const dream = {}
const signedPlanes = (frame, [w, h]) => {                  // bytes (h,w,3) to planes in [-1,1]
  const out = new Float32Array(3 * w * h)
  for (let i = 0; i < w * h; i++) for (let c = 0; c < 3; c++) out[c * w * h + i] = frame[3 * i + c] / 127.5 - 1
  return out
}
// Begin with frames of the game, the newest last
draw.sleep = async (frames, seed) => {
  const {size, lags} = models['dream-sneak'].about, back = Math.max(...lags)
  const last = frames.slice(-back)
  while (last.length < back) last.unshift(last[0])
  Object.assign(dream, {past: last.map(o => signedPlanes(o, size)), seed, n: 0})
}
// Hold keys for a frame: its bytes (h,w,3), and what the score changes by
draw.dream = async held => {
  const {keys, lags, times, size: [w, h]} = models['dream-sneak'].about, n = 3 * w * h, one = v => ['float32', Float32Array.of(v), [1]]
  const history = new Float32Array(n * lags.length), k = Float32Array.from(keys, o => +held.includes(o))
  lags.forEach((o, i) => history.set(dream.past[dream.past.length - o], i * n))
  let z = normal(dream.seed, `dream/${dream.n++}`, n), logits
  for (let i = 0; i < times.length; i++) {
    const out = await run('dream-sneak', 'step', ['float32', z, [1, 3, h, w]], ['float32', history, [1, 3 * lags.length, h, w]],
      ['float32', k, [1, k.length]], one(times[i]), one(i + 1 < times.length ? times[i + 1] : 1))
    z = Float32Array.from(out[0].data)
    logits = out[1].data
  }
  const frame = new Uint8Array(n)
  for (let i = 0; i < w * h; i++) for (let c = 0; c < 3; c++) frame[3 * i + c] = rint((clip(z[c * w * h + i], -1, 1) + 1) * 127.5)
  dream.past = [...dream.past.slice(1), signedPlanes(frame, [w, h])]
  return {frame, reward: (logits[1] > 0) - (logits[0] > 0)}
}
