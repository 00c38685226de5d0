namespace LlmRL.Tests;

/// <summary>Reference data outside the repository: the folder named by LLMRL_SHARED, else <c>shared</c> beside the repository.</summary>
public static class Shared
{
    public static string Root { get; } = FindRoot();

    public static string Path(string relative) => System.IO.Path.Combine(Root, relative);

    internal static string? SkipReason(string relative) =>
        File.Exists(Path(relative)) || Directory.Exists(Path(relative)) ? null : $"needs {relative} under LLMRL_SHARED";

    private static string FindRoot()
    {
        if (Environment.GetEnvironmentVariable("LLMRL_SHARED") is { Length: > 0 } root)
            return root;
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(folder.FullName, "LlmRL.sln")))
                return System.IO.Path.GetFullPath(System.IO.Path.Combine(folder.FullName, "..", "shared"));
        }

        return "shared";
    }
}

/// <summary>A test that needs a file or folder of the reference data, and is skipped by name where it is absent.</summary>
public sealed class SharedFactAttribute : FactAttribute
{
    public SharedFactAttribute(string relativePath) => Skip = Shared.SkipReason(relativePath);
}

/// <summary>A theory that needs a file or folder of the reference data, and is skipped by name where it is absent.</summary>
public sealed class SharedTheoryAttribute : TheoryAttribute
{
    public SharedTheoryAttribute(string relativePath) => Skip = Shared.SkipReason(relativePath);
}
