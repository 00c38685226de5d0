using System.CommandLine;
using LlmRL.Training;

namespace LlmRL.Cli.Commands;

/// <summary><c>llmrl replay BATCH</c>: a batch whose loss or gradient was not finite, computed again.</summary>
internal static class ReplayCommand
{
    public static Command Create()
    {
        var batch = new Argument<string>("BATCH") { Description = "A folder that a failed run left below non-finite/, or its batch.json." };
        var device = new Option<string>("--device") { Description = "auto, cpu or cuda.", DefaultValueFactory = _ => "auto" };
        var command = new Command("replay", "Computes a batch again at which a run stopped, and says where it first is not finite: which input, loss term or parameter.") { batch, device };
        command.SetAction(parsed => Guard.Run(() =>
        {
            var path = parsed.GetValue(batch)!;
            var folder = File.Exists(path) ? Path.GetDirectoryName(Path.GetFullPath(path))! : path;
            var (chosen, _) = Devices.Choose(parsed.GetValue(device)!);
            Replay.Run(folder, chosen, Console.WriteLine);
        }));
        return command;
    }
}
