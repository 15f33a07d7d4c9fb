// Styles are bundled by esbuild; the compiler only needs to know that they exist.
declare module "*.css";
