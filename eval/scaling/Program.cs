using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using LlmRL;
using LlmRL.Benchmarks;
using LlmRL.Recipes;
using LlmRL.Scaling;
using LlmRL.Sweeps;
using LlmRL.Training;

// Curves of time and memory; see eval/performance.md.
var quick = args.Contains("--quick");
var rest = args.Where(argument => argument != "--quick").ToArray();
if (rest is not ([] or ["--out", _]))
{
    Console.Error.WriteLine("llmrl-scaling [--quick] [--out FOLDER]   measures each point in a process of its own; points that FOLDER/points.jsonl has are not measured again");
    return 2;
}

var root = ProgramPaths.Root ?? throw new BadInputException("LlmRL.sln is in no folder above the program");
var program = Path.Combine(root, "src", "LlmRL.Cli", "bin", "Release", "net10.0", "llmrl-cli.dll");
var folder = Directory.CreateDirectory(rest is [_, var named] ? named : Path.Combine(root, "eval", "scaling", quick ? "quick" : "results")).FullName;
var file = Path.Combine(folder, "points.jsonl");
var known = File.Exists(file) ? File.ReadLines(file).Select(line => JsonNode.Parse(line)!).ToDictionary(row => (string)row["key"]!, row => row["result"]!.ToJsonString()) : [];
var configs = Directory.CreateTempSubdirectory("llmrl-scaling-").FullName;
var measured = new List<Measured>();
var points = ScalingPlan.Points(quick);
foreach (var (i, point) in points.Index())
{
    if (!known.TryGetValue(point.Key, out var json))
    {
        json = Bench(point);
        File.AppendAllText(file, new JsonObject { ["key"] = point.Key, ["result"] = JsonNode.Parse(json) }.ToJsonString() + "\n");
    }

    measured.Add(new(point, BenchResult.FromJson(json), point.Config(configs)));
    Console.WriteLine(FormattableString.Invariant($"{i + 1}/{points.Count} {point.Key}: {measured[^1].Seconds:g3} s a step, {measured[^1].Megabytes:N0} MB"));
}

Console.WriteLine(ScalingReport.Write(folder, measured));
Directory.Delete(configs, recursive: true);
return 0;

string Bench(ScalingPoint point)
{
    string[] steps = quick ? ["--steps", "2", "--warm-up", "1"] : ["--steps", "5", "--warm-up", "2"];
    var shape = point.Shape;
    string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
    var start = new ProcessStartInfo("dotnet",
    [
        program, "bench", BenchRun.Name(point.Phase), "--json", "--device", "cpu", "--model", point.Model.Write(configs), "--vocab", Number(point.Vocabulary),
        "--batch", Number(shape.Batch), "--group", Number(shape.Group), "--prompt-length", Number(shape.PromptLength), "--completion-length", Number(shape.CompletionLength), .. steps, .. point.Offload == OptimizerOffload.Disk ? new[] { "--optimizer-offload", "disk" } : [],
    ])
    { RedirectStandardOutput = true };
    using var process = Process.Start(start)!;
    var output = process.StandardOutput.ReadToEnd();
    process.WaitForExit();
    return process.ExitCode == 0 ? output : throw new RunFailedException($"bench {point.Key} ended with exit code {process.ExitCode}; what it said is above.");
}
