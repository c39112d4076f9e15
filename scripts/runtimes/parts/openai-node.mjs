// The official OpenAI client for Node, as a judge. 6.49.0 is the newest that runs on Node 20; 7.x asks for 22.
import { npmPart } from '../support/npm.mjs';

export default npmPart({
  name: 'openai-node',
  aliases: ['openai'],
  about: 'official OpenAI client for Node, judges the OpenAI door',
  packageName: 'openai',
  version: '6.49.0',
});
