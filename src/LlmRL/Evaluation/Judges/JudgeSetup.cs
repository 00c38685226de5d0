using LlmRL.Rewards;
using LlmRL.Training;

namespace LlmRL.Evaluation.Judges;

/// <summary>What stages need to know of a judge, whatever its kind.</summary>
internal static class JudgeSetup
{
    /// <summary>Names of the stages or folders whose models it reads.</summary>
    public static IEnumerable<string> Models(IJudge? judge) => (judge as IRewardSource)?.Models ?? [];

    /// <summary>Looks for what would stop it later.</summary>
    public static void Check(IJudge? judge)
    {
        if (judge is IRewardSource reward)
            reward.Check();
        else if (judge is HttpJudge http)
            http.Check();
    }

    /// <summary>The judge at work.</summary>
    public static IPairwiseJudge Open(IJudge judge, StageContext context, int microBatchTokens) => judge switch
    {
        IReward reward => new PointwiseJudge(reward),
        LearnedReward learned => new LearnedJudge(learned, context, microBatchTokens),
        HttpJudge http => new HttpJudgeClient(http, context.Run.Directory, context.Run.Time, context.Key("judge")),
        _ => throw new InvalidOperationException($"{judge.GetType().Name} is no judge"),
    };
}
