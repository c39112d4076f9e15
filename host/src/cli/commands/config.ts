import { stringify } from 'yaml';
import { ConfigError, describeProblem } from '../../config/config-error.js';
import { configJsonSchema } from '../../config/documents.js';
import { redact } from '../../config/redact.js';
import { Session } from '../session.js';

/** `config validate`: 0 when it can be used, 1 with every problem otherwise. */
export async function validateConfig(session: Session, file: string | undefined): Promise<number> {
  const { out } = session;
  const chosen =
    file === undefined ? session : new Session(session.around, { ...session.options, config: file });
  try {
    const { file: found, warnings } = await chosen.load();
    if (out.json) {
      out.value({ valid: true, file: found ?? null, problems: [], warnings });
    } else {
      for (const warning of warnings) out.note(`warning: ${warning}`);
      out.line(
        found === undefined
          ? 'There is no configuration file; the defaults are valid.'
          : `${found} is valid.`,
      );
    }
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    if (out.json)
      out.value({ valid: false, file: error.file ?? null, problems: error.problems, warnings: [] });
    else for (const problem of error.problems) out.line(describeProblem(problem, error.file));
    return 1;
  }
}

/** `config print`: everything as it is in force, secrets as `***`. */
export async function printConfig(session: Session): Promise<number> {
  const { config, secretPaths, file } = await session.load();
  const shown = redact(config, secretPaths);
  if (session.out.json) session.out.value(shown);
  else
    session.out.stdout.write(
      `# ${file === undefined ? 'defaults, no file' : `from ${file}`}\n${stringify(shown)}`,
    );
  return 0;
}

/** `config schema`. */
export function printSchema(session: Session): Promise<number> {
  session.out.value(configJsonSchema());
  return Promise.resolve(0);
}
