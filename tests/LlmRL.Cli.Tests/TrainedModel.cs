namespace LlmRL.Cli.Tests;

/// <summary>A tiny model and a tiny reward model, trained once for all classes of tests that read models.</summary>
public sealed class TrainedModel
{
    private static readonly Lazy<Workplace> Trained = new(Train);

    public string Policy { get; } = Trained.Value["run/final/sft"];

    public string RewardModel { get; } = Trained.Value["run/final/judge"];

    private static Workplace Train()
    {
        var place = new Workplace();
        AppDomain.CurrentDomain.ProcessExit += (_, _) => place.Dispose();
        place.Write("recipe.yaml", """
            name: tiny
            model: { config: tiny.json, tokenizer: bytes }
            stages:
              - sft: { name: sft, data: { generator: arithmetic, count: 100 }, steps: 2, batch_size: 4 }
              - reward_model: { name: judge, data: { generator: tldr, split: reward, count: 20 }, steps: 1, batch_size: 2, max_length: 2000 }
            """);
        // TL;DR posts have more bytes than the tiny model has positions.
        place.Write("tiny.json", Workplace.TinyConfig.Replace("160", "2000"));
        place.Run("run", "recipe.yaml", "--out", "run").Succeeded();
        return place;
    }

    /// <summary>A copy of the policy's folder that a test may damage.</summary>
    public static string Copy(string source, Workplace target, string name)
    {
        foreach (var file in Directory.GetFiles(source))
        {
            Directory.CreateDirectory(target[name]);
            File.Copy(file, Path.Combine(target[name], Path.GetFileName(file)));
        }

        return target[name];
    }
}
