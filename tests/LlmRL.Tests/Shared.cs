namespace LlmRL.Tests;

/// <summary>Data that lies beside the repository: the folder in LLMRL_SHARED, by default ../shared from the repository's root.</summary>
public static class Shared
{
    public static string Root { get; } = Environment.GetEnvironmentVariable("LLMRL_SHARED") is { Length: > 0 } root ? root : BesideRepository();

    public static string Path(string relative) => System.IO.Path.Combine(Root, relative);

    internal static string? SkipReason(string relative) =>
        File.Exists(Path(relative)) || Directory.Exists(Path(relative)) ? null : $"needs {relative} under LLMRL_SHARED";

    private static string BesideRepository()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(System.IO.Path.Combine(folder.FullName, "LlmRL.sln")))
            folder = folder.Parent;
        return System.IO.Path.Combine(folder?.Parent?.FullName ?? AppContext.BaseDirectory, "shared");
    }
}

/// <summary>A test that is skipped where its data is absent.</summary>
public sealed class SharedFactAttribute : FactAttribute
{
    public SharedFactAttribute(string relativePath) => Skip = Shared.SkipReason(relativePath);
}

/// <summary>A theory that is skipped where its data is absent.</summary>
public sealed class SharedTheoryAttribute : TheoryAttribute
{
    public SharedTheoryAttribute(string relativePath) => Skip = Shared.SkipReason(relativePath);
}
