// Play: what the clone sees of a frame and the one before, and the keys that it holds.
const game = {}
draw.restart = async () => {
  const {depth, heads, context, width, never, keys} = models['play-maze'].about, shape = [depth, 1, heads, context - 1, width / heads]
  const n = shape.reduce((a, b) => a * b, 1)
  Object.assign(game, {keys: ['float32', new Float32Array(n), shape], values: ['float32', new Float32Array(n), shape],
    places: ['float32', new Float32Array(context - 1).fill(never), [context - 1]], past: new Float32Array(keys.length), prev: null, t: 0})
}
// The frame as bytes (h,w,3); scores of all actions, and the keys of the best one
draw.decide = async frame => {
  const m = models['play-maze'], {keys, size: [w, h], told} = m.about, bytes = Uint8Array.from(frame)
  const past = Float32Array.from([...game.past, 1], o => told ? o : 0), shape = [1, h, w, 3]
  const [scores, k, v, places] = await run('play-maze', 'decisions', ['uint8', bytes, shape], ['uint8', game.prev || bytes, shape],
    ['float32', past, [1, past.length]], game.keys, game.values, game.places, ['float32', Float32Array.of(game.t), [1]])
  Object.assign(game, {keys: ['float32', k.data, k.shape], values: ['float32', v.data, v.shape], places: ['float32', places.data, places.shape], prev: bytes, t: game.t + 1})
  const best = scores.data.indexOf(Math.max(...scores.data))
  game.past = m.tables.actions.slice(best * keys.length, (best + 1) * keys.length)
  return {held: keys.filter((_, i) => game.past[i] > .5), scores: scores.data}
}
// Keys that somebody else held in the meantime
draw.held = async keys => { game.past = Float32Array.from(models['play-maze'].about.keys, o => +keys.includes(o)) }
