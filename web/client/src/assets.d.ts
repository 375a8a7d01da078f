// Files that the bundler copies below /assets/ and replaces by their paths.
declare module "hls.js/dist/hls.worker.js" {
  const path: string;
  export default path;
}
