namespace LlmRL.Tests;

/// <summary>The folder of reference data: LLMRL_SHARED, else ../shared beside the repository.</summary>
public static class Shared
{
    public static string Root { get; } = Environment.GetEnvironmentVariable("LLMRL_SHARED") ?? System.IO.Path.Combine(Repository, "..", "shared");

    public static string Path(string relative) => System.IO.Path.Combine(Root, relative);

    internal static string? SkipUnless(string relative) =>
        File.Exists(Path(relative)) || Directory.Exists(Path(relative)) ? null : $"needs {relative} under LLMRL_SHARED";

    /// <summary>The repository's root.</summary>
    public static string Repository
    {
        get
        {
            var folder = new DirectoryInfo(AppContext.BaseDirectory);
            while (!File.Exists(System.IO.Path.Combine(folder.FullName, "LlmRL.sln")))
                folder = folder.Parent ?? throw new DirectoryNotFoundException($"no LlmRL.sln above {AppContext.BaseDirectory}");
            return folder.FullName;
        }
    }
}

/// <summary>A fact that needs a file or folder of the reference data, and is skipped by name without it.</summary>
public sealed class SharedFactAttribute : FactAttribute
{
    public SharedFactAttribute(string relativePath) => Skip = Shared.SkipUnless(relativePath)!;
}

/// <summary>A theory that needs a file or folder of the reference data, and is skipped by name without it.</summary>
public sealed class SharedTheoryAttribute : TheoryAttribute
{
    public SharedTheoryAttribute(string relativePath) => Skip = Shared.SkipUnless(relativePath)!;
}
