import type { DescField, DescMessage, DescMethod, DescService, DescEnum, DescFile } from '@bufbuild/protobuf';

// Field numbers of FileDescriptorProto and DescriptorProto, as source_code_info paths count them.
const fileMessage = 4;
const fileEnum = 5;
const fileService = 6;
const messageField = 2;
const messageNested = 3;
const serviceMethod = 2;

type Described = DescMessage | DescField | DescService | DescMethod | DescEnum;

const indexes = new WeakMap<DescFile, ReadonlyMap<string, string>>();

/** The comment above a definition, its lines joined and trimmed; empty when there is none. */
export function commentOf(desc: Described): string {
  const path = pathOf(desc);
  return path === undefined ? '' : (indexOf(fileOf(desc)).get(path.join('.')) ?? '');
}

function fileOf(desc: Described): DescFile {
  return desc.kind === 'field' || desc.kind === 'rpc' ? desc.parent.file : desc.file;
}

function indexOf(file: DescFile): ReadonlyMap<string, string> {
  let index = indexes.get(file);
  if (index === undefined) {
    const locations = file.proto.sourceCodeInfo?.location ?? [];
    index = new Map(
      locations
        .filter((location) => location.leadingComments !== '')
        .map((location) => [location.path.join('.'), tidy(location.leadingComments)]),
    );
    indexes.set(file, index);
  }
  return index;
}

/** Lines of one paragraph become one line; an empty line stays a break. */
function tidy(comment: string): string {
  return comment
    .split(/\n\s*\n/)
    .map((paragraph) =>
      paragraph
        .split('\n')
        .map((line) => line.trim())
        .join(' ')
        .trim(),
    )
    .filter((paragraph) => paragraph !== '')
    .join('\n\n');
}

function pathOf(desc: Described): number[] | undefined {
  switch (desc.kind) {
    case 'service':
      return [fileService, desc.file.proto.service.indexOf(desc.proto)];
    case 'rpc': {
      const parent = pathOf(desc.parent);
      return parent && [...parent, serviceMethod, desc.parent.proto.method.indexOf(desc.proto)];
    }
    case 'field': {
      const parent = pathOf(desc.parent);
      return parent && [...parent, messageField, desc.parent.proto.field.indexOf(desc.proto)];
    }
    case 'message': {
      if (desc.parent === undefined) return [fileMessage, desc.file.proto.messageType.indexOf(desc.proto)];
      const parent = pathOf(desc.parent);
      return parent && [...parent, messageNested, desc.parent.proto.nestedType.indexOf(desc.proto)];
    }
    case 'enum':
      return desc.parent === undefined ? [fileEnum, desc.file.proto.enumType.indexOf(desc.proto)] : undefined;
  }
}
