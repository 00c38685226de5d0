using LlmRL.Native;

namespace LlmRL.Tests;

/// <summary>Skips tests of what older libtorch does not have.</summary>
internal static class LibTorchVersion
{
    /// <summary>Null where the libtorch here is new enough, else what is missing.</summary>
    public static string? Problem(string least)
    {
        try
        {
            Startup.Prepare();
            return Version.Parse(NativeTorch.Version.Split('+', 'a')[0]) >= Version.Parse(least) ? null : $"needs libtorch {least} or later, this is {NativeTorch.Version}";
        }
        catch (DllNotFoundException)
        {
            return "needs libtorch";
        }
    }
}

/// <summary>A fact that is skipped with an older libtorch.</summary>
public sealed class LibTorchFactAttribute : FactAttribute
{
    public LibTorchFactAttribute(string least) => Skip = LibTorchVersion.Problem(least)!;
}

/// <summary>A theory that is skipped with an older libtorch.</summary>
public sealed class LibTorchTheoryAttribute : TheoryAttribute
{
    public LibTorchTheoryAttribute(string least) => Skip = LibTorchVersion.Problem(least)!;
}
