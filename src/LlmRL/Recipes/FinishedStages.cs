using System.Runtime.InteropServices;
using LlmRL.Algorithms;
using LlmRL.Runs;

namespace LlmRL.Recipes;

/// <summary>
/// Takes finished stages from other runs. Runs of one seed that differ in a late stage alone train the same first stages, which one of them may do for all:
/// a stage made from the same inputs (see <see cref="StageLedger"/>) has the same bytes.
/// </summary>
internal static partial class FinishedStages
{
    /// <summary>The first run that has finished a stage with the same inputs, and its results; null where none has.</summary>
    /// <param name="stage">The stage.</param>
    /// <param name="inputs">The hash of its inputs.</param>
    /// <param name="donors">Folders of other runs; one that is absent or holds another stage is passed over.</param>
    public static (RunDirectory Donor, StageSummary Result)? Find(Stage stage, string inputs, IEnumerable<string> donors)
    {
        foreach (var donor in donors.Select(RunDirectory.TryOpen).OfType<RunDirectory>())
        {
            var isSame = StageLedger.Finished(donor).GetValueOrDefault(stage.Name) == inputs && StageLedger.IsThere(stage, donor);
            if (isSame && RunSummary.Read(donor.SummaryPath)?.Stage(stage.Name) is { } result)
                return (donor, result);
        }

        return null;
    }

    /// <summary>Copies a stage's model and logs. The logs of the target must not be open.</summary>
    public static void Copy(Stage stage, RunDirectory source, RunDirectory target)
    {
        StageLogs.Forget(target, stage.Name);
        if (stage.HasModel)
            CopyFolder(source.Final(stage.Name), target.Final(stage.Name));
        if (stage is Label)
            CopyFolder(Label.FolderOf(source, stage.Name), Label.FolderOf(target, stage.Name));
        CopyFolder(source.TensorBoard(stage.Name), target.TensorBoard(stage.Name));
        StageLogs.Copy(source, target, stage.Name);
    }

    /// <summary>Files of a finished stage are replaced, never written into, so that a second name for them (a hard link) is as good as a copy, and free.</summary>
    private static void CopyFolder(string source, string target)
    {
        if (!Directory.Exists(source))
            return;
        var temporary = target + ".tmp";
        foreach (var folder in new[] { temporary, target }.Where(Directory.Exists))
            Directory.Delete(folder, recursive: true);
        Directory.CreateDirectory(temporary);
        foreach (var file in Directory.GetFiles(source, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(temporary, Path.GetRelativePath(source, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            if (OperatingSystem.IsWindows() || Link(file, copy) != 0)
                File.Copy(file, copy);
        }

        Directory.Move(temporary, target);
    }

    [LibraryImport("libc", EntryPoint = "link", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string existing, string added);
}
