/** Schemas to begin with. */

export const SCHEMA_SAMPLES = {
  person: {
    type: 'object',
    properties: {
      name: { type: 'string' },
      age: { type: 'integer', minimum: 0, maximum: 150 },
      occupation: { type: 'string' },
    },
    required: ['name', 'age', 'occupation'],
    additionalProperties: false,
  },
  extract: {
    type: 'object',
    properties: {
      title: { type: 'string' },
      people: { type: 'array', items: { type: 'string' } },
      places: { type: 'array', items: { type: 'string' } },
      dates: { type: 'array', items: { type: 'string' } },
    },
    required: ['title', 'people', 'places', 'dates'],
    additionalProperties: false,
  },
  classify: {
    type: 'object',
    properties: {
      category: { enum: ['question', 'complaint', 'praise', 'other'] },
      urgent: { type: 'boolean' },
      reason: { type: 'string' },
    },
    required: ['category', 'urgent', 'reason'],
    additionalProperties: false,
  },
  list: {
    type: 'object',
    properties: {
      steps: {
        type: 'array',
        minItems: 1,
        items: {
          type: 'object',
          properties: { title: { type: 'string' }, minutes: { type: 'integer', minimum: 1 } },
          required: ['title', 'minutes'],
          additionalProperties: false,
        },
      },
    },
    required: ['steps'],
    additionalProperties: false,
  },
} satisfies Record<string, object>;

export type SampleName = keyof typeof SCHEMA_SAMPLES;
