using System.Runtime.CompilerServices;
using LlmRL.Native;

// Tests count live tensors and resident memory, and two cores serve all: one after the other.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace LlmRL.LibTorch.Tests;

internal static class Setup
{
#pragma warning disable CA2255 // The environment must be settled before any test loads libtorch, whichever runs first.
    [ModuleInitializer]
    internal static void Prepare() => Startup.Prepare();
#pragma warning restore CA2255
}
