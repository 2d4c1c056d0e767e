// What Grafana publishes of its dashboards, as the types of plain JSON: the package @grafana/schema (Apache-2.0), and for the
// queries, which it leaves open, the Prometheus query of @grafana/grafana-foundation-sdk (Apache-2.0).
import type { AnnotationQuery, Dashboard, Panel, RowPanel, VariableModel } from "@grafana/schema";
import type * as BarGauge from "@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen";
import type * as Stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as TimeSeries from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";
import type { Dataquery } from "@grafana/grafana-foundation-sdk/prometheus";

// JSON has the values of an enumeration, and not its members.
type Plain<T> = T extends string
  ? `${T}`
  : T extends number
    ? `${number}` extends `${T}` ? number : `${T}` extends `${infer N extends number}` ? N : never
    : T extends readonly (infer U)[]
      ? Plain<U>[]
      : T extends (...args: never[]) => unknown
        ? never
        : T extends object
          ? { [K in keyof T]: Plain<T[K]> }
          : T;

// The schema leaves a panel's options and its own field settings open: each plugin has its schema of them.
type Of<Type extends string, Options, Custom> = Omit<Plain<Panel>, "type" | "options" | "fieldConfig" | "targets"> & {
  type: Type;
  options: Plain<Options>;
  targets: Plain<Omit<Dataquery, "_implementsDataqueryVariant">>[];
  fieldConfig: Omit<Plain<NonNullable<Panel["fieldConfig"]>>, "defaults"> & {
    defaults: Omit<Plain<NonNullable<Panel["fieldConfig"]>["defaults"]>, "custom"> & { custom: Plain<Custom> };
  };
};

export type Classic = Omit<Plain<Dashboard>, "panels" | "templating" | "annotations"> & {
  panels: (
    | Plain<RowPanel>
    | Of<"stat", Stat.Options, Record<string, never>>
    | Of<"bargauge", BarGauge.Options, Record<string, never>>
    | Of<"timeseries", TimeSeries.Options, TimeSeries.FieldConfig>
  )[];
  templating: { list: Plain<VariableModel>[] };
  annotations: { list: Plain<AnnotationQuery>[] };
};
