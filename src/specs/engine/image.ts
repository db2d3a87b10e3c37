/** Image documents of the Engine API 1.51. */
import type { ContainerConfig } from "./container.ts";

export interface ImageSummary {
  readonly Id: string;
  readonly ParentId: string;
  readonly RepoTags: readonly string[];
  readonly RepoDigests: readonly string[];
  /** Unix seconds. */
  readonly Created: number;
  readonly Size: number;
  /** -1 = not computed. */
  readonly SharedSize: number;
  readonly Labels: Readonly<Record<string, string>> | null;
  /** -1 = not computed. */
  readonly Containers: number;
  /** What the image's first name stands for in its registry. */
  readonly Descriptor?: DescriptorDocument;
  /** Only when asked for. */
  readonly Manifests?: readonly ManifestSummary[];
}

export interface DescriptorDocument {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: PlatformDocument;
}

export interface PlatformDocument {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
}

/** One manifest of a multi-platform image, here or not. */
export interface ManifestSummary {
  readonly ID: string;
  readonly Descriptor: DescriptorDocument;
  readonly Available: boolean;
  readonly Size: { readonly Content: number; readonly Total: number };
  readonly Kind: "image" | "attestation" | "unknown";
  readonly ImageData?: {
    readonly Platform: PlatformDocument;
    /** Ids of the containers that use it. */
    readonly Containers: readonly string[];
    readonly Size: { readonly Unpacked: number };
  };
  readonly AttestationData?: { readonly For: string };
}

export interface ImageInspect {
  readonly Id: string;
  readonly RepoTags: readonly string[];
  readonly RepoDigests: readonly string[];
  readonly Parent: string;
  readonly Comment: string;
  readonly Created: string;
  readonly DockerVersion: string;
  readonly Author: string;
  readonly Config: ContainerConfig | null;
  readonly Architecture: string;
  readonly Variant?: string;
  readonly Os: string;
  readonly Size: number;
  readonly GraphDriver: { readonly Name: string; readonly Data: Readonly<Record<string, string>> | null };
  readonly RootFS: { readonly Type: "layers"; readonly Layers?: readonly string[] };
  readonly Metadata: { readonly LastTagTime: string };
  readonly Descriptor?: DescriptorDocument;
  readonly Manifests?: readonly ManifestSummary[];
}

export interface ImageHistoryItem {
  readonly Id: string;
  readonly Created: number;
  readonly CreatedBy: string;
  readonly Tags: readonly string[] | null;
  readonly Size: number;
  readonly Comment: string;
}

export type ImageDeleteItem = { readonly Untagged: string } | { readonly Deleted: string };

/** One line of a progress stream (load, import, pull, push). */
export interface ProgressMessage {
  readonly status?: string;
  readonly id?: string;
  readonly stream?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  readonly progress?: string;
  readonly aux?: unknown;
  readonly errorDetail?: { readonly code?: number; readonly message: string };
  readonly error?: string;
}
