// Play: the keys that the clone holds at a frame. It looks at one frame at a time, so there is nothing to remember.
// The frame as bytes (h,w,3); scores of all actions, and the keys of the best one
draw.decide = async frame => {
  const m = models['play-maze'], {keys, size: [w, h]} = m.about
  const [scores] = await run('play-maze', 'decisions', ['uint8', Uint8Array.from(frame), [1, h, w, 3]])
  const best = scores.data.indexOf(Math.max(...scores.data)), row = m.tables.actions.slice(best * keys.length, (best + 1) * keys.length)
  return {held: keys.filter((_, i) => row[i] > .5), scores: scores.data}
}
